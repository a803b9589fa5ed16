package codectest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Case is one conformance vector.
type Case struct {
	Name string // unique among the cases loaded together
	RFC  string // the section that the case is about, such as "5.4"
	File string // base name of the file it was read from
	Line int    // line of its case key

	In      []byte            // what the peer sends
	Want    []string          // the events expected, in order
	Options map[string]string // every other key; nil when there is none
}

// String names the case and where it stands.
func (c *Case) String() string {
	return fmt.Sprintf("%s (%s:%d)", c.Name, c.File, c.Line)
}

// Load reads every *.txt file of dir and ends the test when one cannot be read, when two cases share
// a name, or when there is no case at all.
func Load(t testing.TB, dir string) []Case {
	t.Helper()
	cases, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func load(dir string) ([]Case, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var all []Case
	byName := make(map[string]Case)
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		cases, err := Parse(f, filepath.Base(file))
		f.Close()
		if err != nil {
			return nil, err
		}
		for _, c := range cases {
			if other, found := byName[c.Name]; found {
				return nil, fmt.Errorf("%s:%d: case %q exists already at %s:%d",
					c.File, c.Line, c.Name, other.File, other.Line)
			}
			byName[c.Name] = c
		}
		all = append(all, cases...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no case in *.txt", dir)
	}
	return all, nil
}

// Parse reads the cases of one file. The name stands in Case.File and in errors, which start with
// name:line.
func Parse(r io.Reader, name string) ([]Case, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	p := parser{file: name, lines: make(map[string]int)}
	for line := range strings.Lines(string(text)) {
		p.line++
		if err := p.add(line); err != nil {
			return nil, err
		}
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	return p.cases, nil
}
