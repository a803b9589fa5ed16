package scripts

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const rfcMap = "../docs/rfc6455.md"

// requirement is a row of the map.
type requirement struct {
	section, text, code, proof string
}

// evidence is a name in a cell of proof: a test of a Go file or a case of a vector file.
type evidence struct{ file, name string }

var (
	quoted   = regexp.MustCompile("`([^`]+)`")
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	caseKey  = regexp.MustCompile(`(?m)^case:[ \t]*(\S+)`)
)

// TestRFCMap checks that every file, test and vector case that the map names exists.
func TestRFCMap(t *testing.T) {
	text, err := os.ReadFile(rfcMap)
	if err != nil {
		t.Fatal(err)
	}
	rows, names, line := 0, 0, 0
	for row := range strings.Lines(string(text)) {
		line++
		r, ok, err := parseRequirement(strings.TrimSpace(row))
		if err != nil {
			t.Errorf("%s:%d: %v", rfcMap, line, err)
		}
		if !ok {
			continue
		}
		all, faults := r.check()
		for _, fault := range faults {
			t.Errorf("%s:%d: %s: %s", rfcMap, line, r.section, fault)
		}
		rows, names = rows+1, names+len(all)
	}
	if rows < 90 || names < 350 {
		t.Errorf("only %d rows with %d names: is the table still read?", rows, names)
	}
}

// TestRFCMapFindsWrongNames holds the check itself: each row has one fault.
func TestRFCMapFindsWrongNames(t *testing.T) {
	const code, test = "`codec/state.go`", "`codec/frame_test.go` `TestFirstBytes`"
	for row, fault := range map[string]string{
		"| 5.2 | x | " + code + " | " + test + " |":                                                 "",
		"| 5.2 | x | " + code + " | " + test + " `codec/testdata/close.txt` `close-1005` |":         "",
		"| 5.2 | x | not done | |":                                                                  "",
		"| 5.2 | x | the application | |":                                                           "",
		"| 5.2 | x | soon | " + test + " |":                                                         "says neither",
		"| 5.2 | x | " + code + " | |":                                                              "no proof",
		"| 5.2 | x | " + code + " | `TestFirstBytes` |":                                             "before any file",
		"| 5.2 | x | " + code + " | `codec/frame_test.go` |":                                        "names nothing",
		"| 5.2 | x | `codec/nothing.go` | " + test + " |":                                           "codec/nothing.go",
		"| 5.2 | x | `codec/nothing.go` `codec/state.go` | " + test + " |":                          "codec/nothing.go",
		"| 5.2 | x | `codec` | " + test + " |":                                                      "codec is not a file",
		"| 5.2 | x | " + code + " | `codec/nothing_test.go` `TestFirstBytes` |":                     "codec/nothing_test.go",
		"| 5.2 | x | " + code + " | `codec/state.go` `check` |":                                     "neither tests nor vectors",
		"| 5.2 | x | " + code + " | `codec/frame_test.go` `TestFirstByte` |":                        "no TestFirstByte",
		"| 5.2 | x | " + code + " | `codec/frame_test.go` `expectHeader` |":                         "no expectHeader",
		"| 5.2 | x | " + code + " | `codec/testdata/close.txt` `close-1005-` |":                     "no close-1005-",
		"| 5.2 | x | " + code + " | `codec/testdata/control.txt` `close-1005` |":                    "no close-1005",
		"| 5.2 | x | " + code + " | " + test + " `codec/testdata/close.txt` `close-1005` `TestX` |": "no TestX",
	} {
		r, ok, err := parseRequirement(row)
		if !ok || err != nil {
			t.Fatalf("%s: %v, %v", row, ok, err)
		}
		_, faults := r.check()
		got := strings.Join(faults, "; ")
		if (fault == "") != (got == "") || !strings.Contains(got, fault) {
			t.Errorf("%s\ngot  %q\nwant %q", row, got, fault)
		}
	}
	for _, row := range []string{"| 5.2 | x | " + code + " |", "| 5.2 | | " + code + " | " + test + " |", "| 5.2 | x | " + code + " | `TestFirst |"} {
		if _, _, err := parseRequirement(row); err == nil {
			t.Errorf("%s: no error", row)
		}
	}
}

// parseRequirement reads a line of the map; ok is false for lines that are no row.
func parseRequirement(line string) (r requirement, ok bool, err error) {
	if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || strings.HasPrefix(line, "| section |") {
		return r, false, nil
	}
	cells := strings.Split(strings.Trim(line, "|"), "|")
	if len(cells) != 4 {
		return r, false, fmt.Errorf("%d cells, want section, requirement, code, proof", len(cells))
	}
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	r = requirement{section: cells[0], text: cells[1], code: cells[2], proof: cells[3]}
	if r.section == "" || r.text == "" || r.code == "" {
		return r, false, fmt.Errorf("an empty cell")
	}
	if strings.Count(line, "`")%2 != 0 {
		return r, false, fmt.Errorf("a backquote without its twin")
	}
	return r, true, nil
}

// check returns what the row names as proof, and what is wrong with the row.
func (r *requirement) check() (all []evidence, faults []string) {
	code := quoted.FindAllStringSubmatch(r.code, -1)
	for _, c := range code {
		if err := isFile(c[1]); err != nil {
			faults = append(faults, err.Error())
		}
	}
	done := len(code) > 0
	if !done && r.code != "not done" && r.code != "the application" {
		faults = append(faults, fmt.Sprintf("code says neither where nor why not: %q", r.code))
	}
	all, err := parseProof(r.proof)
	if err != nil {
		return all, append(faults, err.Error())
	}
	if done && len(all) == 0 {
		faults = append(faults, "there is no proof")
	}
	for _, e := range all {
		if err := e.exists(); err != nil {
			faults = append(faults, err.Error())
		}
	}
	return all, faults
}

// parseProof reads a cell of proof: a file, what counts in it, the next file.
func parseProof(cell string) (all []evidence, err error) {
	file, used := "", true
	for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
		name := m[1]
		if strings.Contains(name, "/") {
			if !used {
				break
			}
			file, used = name, false
			continue
		}
		if file == "" {
			return nil, fmt.Errorf("%s stands before any file", name)
		}
		all, used = append(all, evidence{file, name}), true
	}
	if !used {
		return all, fmt.Errorf("%s is there, but the row names nothing in it", file)
	}
	return all, nil
}

// exists looks for the name where its file would define it.
func (e evidence) exists() error {
	if err := isFile(e.file); err != nil {
		return err
	}
	definition := testFunc
	switch {
	case strings.HasSuffix(e.file, "_test.go"):
	case strings.Contains(e.file, "/testdata/") && strings.HasSuffix(e.file, ".txt"):
		definition = caseKey
	default:
		return fmt.Errorf("%s holds neither tests nor vectors", e.file)
	}
	text, err := os.ReadFile(inTree(e.file))
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(definition.FindAllSubmatch(text, -1), func(m [][]byte) bool { return string(m[1]) == e.name }) {
		return fmt.Errorf("%s has no %s", e.file, e.name)
	}
	return nil
}

func isFile(path string) error {
	info, err := os.Stat(inTree(path))
	if err != nil {
		return fmt.Errorf("%s does not exist", path)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	return nil
}

func inTree(path string) string { return filepath.Join("..", filepath.FromSlash(path)) }
