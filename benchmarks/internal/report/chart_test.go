package report

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// TestAxes checks that values are within, that ticks ascend and that at least one can be read off.
func TestAxes(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		least := math.Pow(10, random.Float64()*12-3)
		most := least * math.Pow(10, random.Float64()*6)
		for _, a := range []axis{linear(most, nanos), logarithmic(least, most, nanos)} {
			if a.low > least || a.high < most*0.9999 || len(a.ticks) > 14 {
				t.Fatalf("%v to %v: %+v", least, most, a)
			}
			if len(a.ticks) < 1 {
				t.Fatalf("%v to %v: no tick", least, most)
			}
			for i, tick := range a.ticks {
				if i > 0 && tick.at <= a.ticks[i-1].at || tick.at < a.low || tick.at > a.high*1.0001 {
					t.Fatalf("%v to %v: %+v", least, most, a)
				}
			}
		}
	}
	a := linear(0, times)
	if a.place(0) != 0 || a.high <= 0 {
		t.Errorf("%+v", a)
	}
}

func TestPlaces(t *testing.T) {
	a := axis{low: 1, high: 100, logarithmic: true}
	for v, want := range map[float64]float64{0: 0, 1: 0, 10: 0.5, 100: 1, 1000: 1} {
		if got := a.place(v); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v is at %v, want %v", v, got, want)
		}
	}
	b := linear(3, times) // to 3 in steps of 1
	if labels := b.ticks; len(labels) != 4 || labels[3].label != "3" || labels[0].label != "0" || b.place(1.5) != 0.5 {
		t.Errorf("%+v", b)
	}
}

// TestBars draws 1.0, and 1.3 with a whisker from 1.1 to 1.5, on an axis to 2, where gws is.
func TestBars(t *testing.T) {
	r := twoServers(t).read().results[0]
	c := bars("name <", "axis", r, times, 1, multiple(cpu, limit))
	if c.axis.high != 2 || c.names != 60 || len(c.rows) != 3 {
		t.Fatalf("%+v", c)
	}
	svg := string(c.SVG())
	parse(t, svg)
	// The axis has 282 units from 60 on, for 2: 1.3 is at 243.3, 1.1 at 215.1 and 1.5 at 271.5.
	for _, want := range []string{
		`aria-label="name &lt;: c 1.00, wsloop 1.30, gws 2.00"`, `<title>wsloop: 1.30 (1.10 to 1.50)</title>`,
		`H243.3v12H60z`, `M215.1 34.5H271.5`, `class="limitline" d="M201.0 6V63"`,
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("lacks %s:\n%s", want, svg)
		}
	}
}

// TestShapes has no two roles look alike without their colours, except versions of wsloop, one of which is filled.
func TestShapes(t *testing.T) {
	seen := make(map[string]string)
	for _, class := range []string{"ours", "go", "native", "reference", "limit"} {
		s := strings.ReplaceAll(shape(class, 7, 7), class, "")
		if other, found := seen[s]; found {
			t.Errorf("%s looks like %s", class, other)
		}
		seen[s] = class
	}
}

// TestOverview has the whiskers of ours alone, the line of the limit instead of a mark, and ours on top of the others.
func TestOverview(t *testing.T) {
	r := twoServers(t).read()
	c := overview("", "", r.of(record.Echo), multiple(cpu, limit))
	marks := c.rows[0].marks
	if len(c.rows) != 1 || len(marks) != 2 || marks[1].class != "ours" || marks[1].value.N != 2 || marks[0].class != "go" || marks[0].value.N != 1 {
		t.Errorf("%+v", c.rows)
	}
	if c.rows[0].text != "1.30" || len(c.Legend) != 2 || c.line != 1 {
		t.Errorf("%+v", c)
	}
}

func TestOverviewWithoutValues(t *testing.T) {
	f := newFile(t)
	f.add(small, "wsloop", record.PerSecond, 5)
	f.add(cellOf(1, 1, 1), "c", record.CPU, 5)
	f.add(record.Cell{Scenario: record.Idle}, "wsloop", record.Opened, 0) // a logarithm has no place for it
	r := f.read()
	if c := overview("", "", r.of(record.Echo), multiple(cpu, limit)); c != nil {
		t.Errorf("%+v", c)
	}
	if c := dots("", "", r.of(record.Idle)[0], []metric{opened}, []string{"opened"}); c != nil {
		t.Errorf("%+v", c)
	}
	page := written(t, func(w *strings.Builder) error { return r.HTML(w) })
	if got := parse(t, page)["figure"]; got != 2 { // messages a second of ours, and the CPU of c beside itself
		t.Errorf("%d charts", got)
	}
}

func TestLabelsDoNotTouch(t *testing.T) {
	c := &chart{names: 100, rows: make([]row, 1), axis: axis{high: 10, ticks: []tick{{0, "0"}, {1, "1000 ms"}, {2, "2000 ms"}, {10, "9"}}}}
	if n := strings.Count(string(c.SVG()), `text-anchor="middle"`); n != 4 { // three of four labels, and what the axis shows
		t.Errorf("%d labels", n)
	}
}
