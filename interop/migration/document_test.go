package migration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocument has every line of Go in docs/migration.md stand in a file of this package: blocks in one piece, but for
// indentation, empty lines and where "// ..." leaves something out.
func TestDocument(t *testing.T) {
	var code strings.Builder
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.WriteString(flat(string(b)))
	}
	document, err := os.ReadFile("../../docs/migration.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := 0
	for rest := string(document); ; blocks++ {
		_, after, ok := strings.Cut(rest, "```go\n")
		if !ok {
			break
		}
		block, after, ok := strings.Cut(after, "```")
		if !ok {
			t.Fatal("a block without an end")
		}
		for piece := range strings.SplitSeq(flat(block), "// ...\n") {
			if !strings.Contains(code.String(), piece) {
				t.Errorf("this stands in no file:\n%s", piece)
			}
		}
		rest = after
	}
	if blocks < 10 {
		t.Errorf("%d blocks", blocks)
	}
}

// flat is text without indentation and empty lines.
func flat(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}
