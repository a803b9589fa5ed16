package scripts

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	heading   = regexp.MustCompile(`(?m)^##? (.+)$`)
	anyLevel  = regexp.MustCompile(`(?m)^#+ (.+)$`)
	fence     = regexp.MustCompile("(?ms)^```.*?^```$")
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	testName  = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	goTest    = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	notInLink = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestDocuments looks for what goes stale in the documents: sections that are there twice, as a merge leaves them, links to what is
// gone, and tests that have another name by now.
func TestDocuments(t *testing.T) {
	tests := make(map[string]bool)
	documents := make(map[string]string)
	walk(t, func(path, text string) {
		if strings.HasSuffix(path, "_test.go") {
			for _, m := range goTest.FindAllStringSubmatch(text, -1) {
				tests[m[1]] = true
			}
			return
		}
		documents[path] = fence.ReplaceAllString(text, "")
	})
	if len(documents) < 20 || len(tests) < 1000 {
		t.Fatalf("only %d documents and %d tests: is the tree still read?", len(documents), len(tests))
	}
	for path, text := range documents {
		for _, fault := range documentFaults(path, text, tests) {
			t.Errorf("%s: %s", path, fault)
		}
	}
}

// TestDocumentsFindsFaults holds the check itself.
func TestDocumentsFindsFaults(t *testing.T) {
	tests := map[string]bool{"TestDocuments": true}
	for text, want := range map[string]string{
		"# A\n## B\n### C\n### C\n":              "",
		"# A\n## B\n## C\n## B\n":                `"B" is there twice`,
		"[a](docs_test.go) [b](https://x.y/z#a)": "",
		"[a](docs.go)":                           "docs.go is not there",
		"# What is it, then?\n[a](#what-is-it-then)\n[b](docs_test.go#L1)": "",
		"# What is it, then?\n[a](#what-is-it)":                            "no heading for #what-is-it",
		"`TestDocuments` `TestDocuments/A` `Test`":                         "",
		"`TestDocument`": "no test is called TestDocument",
	} {
		if got := strings.Join(documentFaults("doc.md", text, tests), "; "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func documentFaults(path, text string, tests map[string]bool) (faults []string) {
	seen := make(map[string]bool)
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		if seen[m[1]] {
			faults = append(faults, `"`+m[1]+`" is there twice`)
		}
		seen[m[1]] = true
	}
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if fault := linkFault(path, text, m[1]); fault != "" {
			faults = append(faults, fault)
		}
	}
	for _, m := range testName.FindAllStringSubmatch(text, -1) {
		if !tests[m[1]] {
			faults = append(faults, "no test is called "+m[1])
		}
	}
	return faults
}

// linkFault follows a link into the tree. Those to elsewhere are not tried.
func linkFault(path, text, target string) string {
	if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
		return ""
	}
	file, anchor, _ := strings.Cut(target, "#")
	if file != "" {
		at := filepath.Join(filepath.Dir(path), filepath.FromSlash(file))
		info, err := os.Stat(at)
		if err != nil {
			return file + " is not there"
		}
		if info.IsDir() || filepath.Ext(file) != ".md" || anchor == "" {
			return ""
		}
		b, err := os.ReadFile(at)
		if err != nil {
			return err.Error()
		}
		text = string(b)
	}
	for _, m := range anyLevel.FindAllStringSubmatch(text, -1) {
		if anchorOf(m[1]) == anchor {
			return ""
		}
	}
	return "no heading for #" + anchor
}

// anchorOf is the name that a heading has as the target of a link.
func anchorOf(heading string) string {
	return strings.ReplaceAll(notInLink.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

// walk reads the documents and tests of the tree, those of nested modules, too.
func walk(t *testing.T, read func(path, text string)) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch name := d.Name(); {
		case d.IsDir() && (name == "node_modules" || name == "testdata" || name == ".git"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".md" && !strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err == nil {
			read(path, string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
