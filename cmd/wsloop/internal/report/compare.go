package report

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
)

// sameShare is how far apart figures of two runs may be without being told apart: less than runs of one program usually are.
const sameShare = 0.05

// Compare writes the figures that both reports have and that are not 0 in both, how b relates to a, and
// in a word whether b is better. Settings in which they differ come first, since they may explain the rest.
func Compare(w io.Writer, a, b *Report) error {
	out := bufio.NewWriter(w)
	if settings := differences(a, b); len(settings.Rows) > 0 {
		out.WriteString(settings.Title + "\n")
		settings.write(out)
		out.WriteByte('\n')
	}
	t := table{Title: "figures", Head: []string{"", "a", "b", "b/a", "b is"}}
	for _, f := range known() {
		x, inA := f.find(a)
		y, inB := f.find(b)
		if inA && inB && (x != 0 || y != 0) {
			times, word := f.verdict(x, y)
			t.Rows = append(t.Rows, []string{f.name, f.unit.format(x), f.unit.format(y), times, word})
		}
	}
	if len(t.Rows) == 0 {
		out.WriteString("the reports have no figure in common\n")
	} else {
		out.WriteString(t.Title + "\n")
		t.write(out)
	}
	return out.Flush()
}

// verdict says how y relates to x, and whether it is better.
func (f *figure) verdict(x, y float64) (times, word string) {
	times = "-"
	if x > 0 {
		times = digits(y / x)
		if share := y / x; share > 0 && share < 0.1 {
			times = fmt.Sprintf("%.1g", share)
		}
	}
	switch {
	case math.Abs(y-x) <= sameShare*math.Abs(x):
		return times, "the same"
	case f.better == neither && y < x:
		return times, "less"
	case f.better == neither:
		return times, "more"
	case (y < x) == (f.better == lower):
		return times, "better"
	}
	return times, "worse"
}

// differences lists the settings that are not those of the other report.
func differences(a, b *Report) table {
	t := table{Title: "settings that differ", Head: []string{"", "a", "b"}}
	x, y := settingsByName(a), settingsByName(b)
	for _, row := range slices.Concat(a.settingsTable().Rows, b.settingsTable().Rows) {
		name := row[0]
		seen := slices.ContainsFunc(t.Rows, func(r []string) bool { return r[0] == name })
		if x[name] != y[name] && !seen && !slices.Contains(expected, name) {
			t.Rows = append(t.Rows, []string{name, orDash(x[name]), orDash(y[name])})
		}
	}
	return t
}

// expected are the settings that differ between any two runs.
var expected = []string{"command", "started", "duration"}

func settingsByName(r *Report) map[string]string {
	byName := make(map[string]string)
	for _, row := range r.settingsTable().Rows {
		byName[row[0]] = row[1]
	}
	return byName
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
