package report

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

var pageFile = flag.String("page", "", "write the page of the tests to this file, to look at it")

// parse reads a page as XML, counts its elements, and refuses what a browser would run or load.
func parse(t *testing.T, page string) map[string]int {
	t.Helper()
	elements := make(map[string]int)
	d := xml.NewDecoder(strings.NewReader(page))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, page)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		elements[element.Name.Local]++
		for _, a := range element.Attr {
			switch name := a.Name.Local; {
			case strings.HasPrefix(name, "on"), name == "src", name == "style", name == "action", name == "srcset",
				name == "href" && a.Value != "data:,":
				t.Errorf("%s has the attribute %s", element.Name.Local, name)
			}
		}
	}
}

func TestPage(t *testing.T) {
	page := written(t, func(w *strings.Builder) error { return everything(t).HTML(w) })
	if *pageFile != "" {
		if err := os.WriteFile(*pageFile, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	elements := parse(t, page)
	// Overviews of CPU, throughput, mask, compression and TLS; of each cell, two for echo, churn, broadcast and compression, one for the others.
	charts := 5 + 2*12 + 1 + 1 + 2 + 2*4 + 7 + 2*5 + 2 + 5
	if elements["figure"] != charts || elements["script"] != 0 {
		t.Errorf("%d charts, want %d; %v", elements["figure"], charts, elements)
	}
	text := strings.ReplaceAll(page, `xmlns="http://www.w3.org/2000/svg"`, "")
	if at := regexp.MustCompile(`(?i)https?:|url\(|@import`).FindString(text); at != "" {
		t.Errorf("the page refers to %s", at)
	}
	for _, want := range []string{"Example CPU", "abc123r1", "6.1.0", "gws v1.9.1", "it is not installed", "p99.9", "1 MiB", "noisy", "does not hold"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") {
		t.Error("a number is none")
	}
}

func TestPageEscapes(t *testing.T) {
	const hostile = "</style><script>alert(1)</script>&'\"\x00\x1b"
	text := strings.NewReplacer("%", `<\/style><script>alert(1)<\/script>&'\"\u0000\u001b`)
	r, err := Read(strings.NewReader(text.Replace(`{"kind":"run","schema":1,"id":"%","suite":"%","commit":"%","modified":true,"machine":{"cpu":"%"},"servers":{"%":{"role":"ours","version":"%"},"c":{"role":"limit"}}}
{"kind":"sample","run":"%","cell":{"scenario":"echo","connections":1},"server":"%","round":1,"attempt":1,"kept":true,"values":{"cpu_ns":5,"per_s":5}}
{"kind":"sample","run":"%","cell":{"scenario":"echo","connections":1},"server":"c","round":1,"attempt":1,"kept":true,"values":{"cpu_ns":5,"per_s":5}}
{"kind":"sample","run":"%","cell":{"scenario":"echo","connections":1},"server":"%","round":2,"attempt":1,"kept":true,"error":"%"}
{"kind":"sample","run":"%","cell":{"scenario":"churn","connections":100},"server":"%","round":2,"attempt":1,"kept":true,"error":"%"}
`)))
	if err != nil {
		t.Fatal(err)
	}
	if r.runs[0].ID != hostile {
		t.Fatalf("%q", r.runs[0].ID)
	}
	page := written(t, func(w *strings.Builder) error { return r.HTML(w) })
	if strings.Contains(page, "<h3>connections that come") {
		t.Error("there are figures of a cell in which all failed")
	}
	if elements := parse(t, page); elements["script"] != 0 || elements["style"] != 1 || elements["figure"] != 3 {
		t.Errorf("%v", elements)
	}
	if !strings.Contains(page, "&lt;script&gt;") || !strings.Contains(page, "changes that are not committed") {
		t.Error("what was read is not on the page")
	}
}
