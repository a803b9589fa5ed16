package report

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

func TestJSONRoundTrip(t *testing.T) {
	first := written(t, sample().WriteJSON)
	if strings.Count(first, "\n") != 1 {
		t.Error("a report is more than a line")
	}
	r, err := ReadJSON(strings.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	if r.Figures != nil {
		t.Error("figures were read")
	}
	if again := written(t, r.WriteJSON); again != first {
		t.Errorf("wrote %s\nthen  %s", first, again)
	}
	if a, b := written(t, sample().WriteText), written(t, r.WriteText); a != b {
		t.Errorf("the summary was\n%s\nand is now\n%s", a, b)
	}
}

func TestFigures(t *testing.T) {
	var file struct {
		Figures map[string]Figure
	}
	if err := json.Unmarshal([]byte(written(t, sample().WriteJSON)), &file); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Figure{
		"reached": {10000, ""}, "lost": {3, ""}, "errors": {5, ""}, "connects/s": {1000, "1/s"}, "messages/s": {20000, "1/s"},
		"bytes/s": {2.5e6, "B/s"}, "bytes/conn": {210, "B"}, "warnings": {1, ""}, "generator.cpu/message": {35000, "ns"},
	} {
		if got := file.Figures[name]; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if p50, whole := file.Figures["uncorrected.p50"], file.Figures["slip.max"]; p50.Value < 200e3 || p50.Value > 350e3 || whole.Value == 0 {
		t.Errorf("p50 %v, slip %v", p50, whole)
	}
	for _, f := range known() {
		if v, found := f.find(new(Report)); found && v != 0 {
			t.Errorf("%s of nothing is %v", f.name, v)
		}
	}
}

func TestReadWhatIsNoReport(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"later version":  {`{"schema":2,"command":7}`, "version 2"},
		"no version":     {`{"name":"x"}`, "not a report"},
		"no JSON":        {`wsloop`, "invalid character"},
		"two reports":    {`{"schema":1} {"schema":1}`, "after top-level value"},
		"wrong field":    {`{"schema":1,"command":7}`, "command"},
		"bad histogram":  {`{"schema":1,"latency":{"corrected":{"count":1}}}`, "hdr: invalid"},
		"an empty file":  {``, "unexpected end"},
		"version is odd": {`{"schema":"1"}`, "schema"},
	} {
		r, err := ReadJSON(strings.NewReader(c.in))
		if r != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if isSchema := strings.HasSuffix(name, " version"); errors.Is(err, ErrSchema) != isSchema {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("broken")
	if _, err := ReadJSON(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Error(err)
	}
}
