package codectest

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const text = `# A remark, then a blank line.

case: one   # the name
rfc:  5.4
in:   81 05 "a#b"   # a remark
want: text "a#b"

# A remark belongs to no case.
case: two
in:   01
# A remark inside a case does not end it.
in:   02*2
      masked(ff00ff00,
        00 00)
want: ping ""
want: fail 1002
role: client
origins: https://example.org:8443
`
	cases, err := Parse(strings.NewReader(text), "x.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := []Case{
		{
			Name: "one", RFC: "5.4", File: "x.txt", Line: 3,
			In: []byte("\x81\x05a#b"), Want: []string{`text "a#b"`},
		},
		{
			Name: "two", File: "x.txt", Line: 9,
			In: []byte("\x01\x02\x02\xff\x00"), Want: []string{`ping ""`, "fail 1002"},
			Options: map[string]string{"role": "client", "origins": "https://example.org:8443"},
		},
	}
	if !reflect.DeepEqual(cases, want) {
		t.Errorf("got  %+v\nwant %+v", cases, want)
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"case: a\nin: 8", "x.txt:2: in: column 2"},
		{"case: a\nin: \"", "x.txt:2: a quote is not closed"},
		{"case: a\n", "x.txt:1: case \"a\" has no in"},
		{"\nin: 81", "x.txt:2: a case without a name"},
		{"case: a\nin: 81\n\ncase: a\nin: 81", "x.txt:4: case \"a\" exists already at line 1"},
		{"case: a\ncase: b\nin: 81", "x.txt:2: a second case"},
		{"case: a\nin: 81\nrole: x\nrole: y", "x.txt:4: a second role"},
		{"case: a\nin: 81\nwant:", "x.txt:3: want names no event"},
		{"case: a\nwhat is this", "x.txt:2: expected key: value"},
		{"case: a\nBig: 1", "x.txt:2: expected key: value"},
		{"  81", "x.txt:1: an indented line continues nothing"},
	} {
		_, err := Parse(strings.NewReader(c.text), "x.txt")
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %s", c.text, err, c.want)
		}
	}
}

func TestLoad(t *testing.T) {
	write := func(dir, name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	if _, err := load(dir); err == nil {
		t.Error("an empty folder was accepted")
	}
	write(dir, "a.txt", "case: a\nin: 81")
	write(dir, "b.txt", "case: b\nin:")
	write(dir, "c.md", "not a case")
	if got := Load(t, dir); len(got) != 2 || got[0].String() != "a (a.txt:1)" || len(got[1].In) > 0 {
		t.Errorf("got %v", got)
	}
	write(dir, "d.txt", "\ncase: a\nin: 81")
	if _, err := load(dir); err == nil || !strings.HasPrefix(err.Error(), "d.txt:2: ") {
		t.Errorf("a name used in two files: error %v", err)
	}
}
