package report

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/hdr"
)

// parse reads a page as XML, and counts its elements.
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
		if element, ok := token.(xml.StartElement); ok {
			elements[element.Name.Local]++
			for _, a := range element.Attr {
				checkAttribute(t, element.Name.Local, a)
			}
		}
	}
}

// checkAttribute refuses what a browser would run or load.
func checkAttribute(t *testing.T, element string, a xml.Attr) {
	t.Helper()
	switch name := a.Name.Local; {
	case strings.HasPrefix(name, "on"), name == "src", name == "style", name == "action", name == "srcset":
		t.Errorf("%s has the attribute %s", element, name)
	case name == "href" && a.Value != "data:,":
		t.Errorf("%s refers to %s", element, a.Value)
	}
}

func TestSamplePage(t *testing.T) {
	page := written(t, sample().WriteHTML)
	elements := parse(t, page)
	if elements["svg"] != 4 || elements["script"] != 0 || elements["table"] != 8 || elements["li"] != 1 {
		t.Errorf("%v", elements)
	}
	// The address in the text is no reference, and the name of SVG is no address.
	text := strings.ReplaceAll(page, `xmlns="http://www.w3.org/2000/svg"`, "")
	if at := regexp.MustCompile(`(?i)https?:|url\(|@import`).FindString(text); at != "" {
		t.Errorf("the page refers to %s", at)
	}
	for _, want := range []string{"Example CPU", "connection refused", "28.3 µs", "99.99%", "1 ms", "210 B"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") {
		t.Error("a number is none")
	}
	if *pageFile != "" {
		if err := os.WriteFile(*pageFile, []byte(page), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPageEscapes(t *testing.T) {
	const hostile = "</style><script>alert(1)</script>&'\"\x00\x1b\xff"
	r := sample()
	r.Settings.Scenario, r.Settings.Targets, r.Settings.Sources = hostile, []string{hostile}, []string{hostile}
	r.Settings.Others = map[string]string{hostile: hostile}
	r.Errors = map[string]uint64{hostile: 1}
	r.Generator.Warnings = []string{hostile}
	r.Command = []string{hostile}
	r.Machine.CPU = hostile
	page := written(t, r.WriteHTML)
	if elements := parse(t, page); elements["script"] != 0 || elements["style"] != 1 {
		t.Errorf("%v", elements)
	}
	if strings.Contains(page, "<script") || !strings.Contains(page, "&lt;script&gt;") {
		t.Error("markup of others got through")
	}
}

// TestQuietSeconds interrupts the lines of latency where nothing was answered, and not those of messages.
func TestQuietSeconds(t *testing.T) {
	r := &Report{Series: []Second{second(0, 1, 10), second(1, 1, 10), second(2, 0), second(3, 1, 10), second(4, 1, 10)}}
	for _, p := range r.plots() {
		want := 1
		if p.Name == "Latency over time" {
			want = 2
		}
		if path := p.path(p.Lines[0].points); strings.Count(path, "M") != want {
			t.Errorf("%s: %s", p.Name, path)
		}
	}
}

func TestPagesOfOddRuns(t *testing.T) {
	long := &Report{}
	for i := range 10000 {
		if i/100 != 3 { // a gap
			long.Series = append(long.Series, second(i, uint64(i%7), time.Duration(i+1)))
		}
	}
	one := &Report{Latency: Latency{Corrected: of(1), Uncorrected: new(hdr.Histogram)}, Series: []Second{second(0, 1, 5)}}
	idle := &Report{Series: []Second{{T: 0, Open: 5}, {T: 1, Open: 5}, {T: 100_000, Open: 5}}}
	for name, c := range map[string]struct {
		r    *Report
		svgs int
	}{"long": {long, 3}, "one message": {one, 4}, "idle": {idle, 1}, "nothing": {new(Report), 0}} {
		page := written(t, c.r.WriteHTML)
		if got := parse(t, page)["svg"]; got != c.svgs {
			t.Errorf("%s: %d plots, want %d", name, got, c.svgs)
		}
		if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") || len(page) > 100_000 {
			t.Errorf("%s: %d bytes", name, len(page))
		}
	}
}
