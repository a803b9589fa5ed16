package report

import (
	"strings"
	"testing"
)

func TestInsert(t *testing.T) {
	r := twoServers(t).read()
	const document = "# Title\n\n<!-- bench:begin cpu -->\nold\n<!-- bench:end -->\r\nbetween\n<!-- bench:begin mask -->\n<!-- bench:end -->\nend"
	once, err := r.Insert([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	cpu, _ := r.section("cpu")
	want := "# Title\n\n<!-- bench:begin cpu -->\n\n" + cpu + "\n<!-- bench:end -->\r\nbetween\n<!-- bench:begin mask -->\n\nNot measured.\n\n<!-- bench:end -->\nend"
	if string(once) != want || !strings.Contains(cpu, "1.30 (1.10 to 1.50)") {
		t.Errorf("%s", once)
	}
	twice, err := r.Insert(once)
	if err != nil || string(twice) != string(once) {
		t.Errorf("a second time: %v\n%s", err, twice)
	}
	// The same runs, read again.
	again, err := twoServers(t).read().Insert(once)
	if err != nil || string(again) != string(once) {
		t.Errorf("read again: %v\n%s", err, again)
	}
	// All sections, in a document that ends with the marker.
	whole, err := r.Insert([]byte("<!-- bench:begin -->\n<!-- bench:end -->"))
	text, _ := r.section("")
	if err != nil || string(whole) != "<!-- bench:begin -->\n\n"+text+"\n<!-- bench:end -->" {
		t.Errorf("%v\n%s", err, whole)
	}
}

func TestInsertErrors(t *testing.T) {
	r := twoServers(t).read()
	const begin, end = "<!-- bench:begin cpu -->\n", "<!-- bench:end -->\n"
	for name, c := range map[string]struct{ document, want string }{
		"nothing":     {"", "no markers such as <!-- bench:begin run -->"},
		"no markers":  {"text <!-- bench:begin cpu --> within\n", "no markers"},
		"no end":      {"x\n" + begin, "<!-- bench:begin cpu --> has no end"},
		"no begin":    {"x\n" + end, "line 2: <!-- bench:end --> does not belong there"},
		"two begins":  {begin + begin + end, "line 2: <!-- bench:begin cpu --> does not belong there"},
		"two ends":    {begin + end + "\n" + end, "line 4: <!-- bench:end --> does not belong there"},
		"a named end": {begin + "<!-- bench:end cpu -->\n", "line 2: <!-- bench:end cpu --> does not belong there"},
		"unknown":     {strings.Replace(begin, "cpu", "gpu", 1) + end, `no section "gpu"; there are run, promises, summary, cpu`},
	} {
		if got, err := r.Insert([]byte(c.document)); err == nil || !strings.Contains(err.Error(), c.want) || got != nil {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestSections has each section say something of a file with everything in it.
func TestSections(t *testing.T) {
	r := everything(t)
	for _, name := range Sections() {
		if text, err := r.section(name); err != nil || !strings.Contains(text, "|---|") {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}
