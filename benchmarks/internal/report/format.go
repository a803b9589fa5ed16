package report

import (
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// unit says how a value is written.
type unit int

const (
	times    unit = iota // of something else's
	nanos                // processor or wall-clock time
	octets               // memory
	rate                 // a second
	byteRate             // bytes a second
	share                // of one
	count
)

// missing stands where there is no value.
const missing = "-"

// format writes three digits, and the unit.
func (u unit) format(v float64) string {
	switch u {
	case nanos:
		return scaled(v, 1000, "ns", "µs", "ms", "s")
	case octets:
		if math.Abs(v) < 9999.5 {
			return strconv.FormatFloat(v, 'f', 0, 64) + " B"
		}
		return scaled(v, 1000, "B", "kB", "MB", "GB", "TB")
	case rate:
		return strings.TrimSuffix(scaled(v, 1000, "", "k", "M", "G"), " ")
	case byteRate:
		return scaled(v, 1000, "B/s", "kB/s", "MB/s", "GB/s", "TB/s")
	case share:
		return strconv.FormatFloat(v*100, 'f', 0, 64) + " %"
	case count:
		return whole(v)
	}
	if a := math.Abs(v); a >= 1e-9 && a < 0.005 {
		return strconv.FormatFloat(v, 'f', 1-int(math.Floor(math.Log10(a)+1)), 64) // one digit that is not 0
	}
	return digits(v)
}

// scaled writes v in the greatest of the units that leaves something before the point.
func scaled(v, step float64, units ...string) string {
	first := len(units)
	for len(units) > 1 && math.Abs(v) >= 999.5 {
		v, units = v/step, units[1:]
	}
	if len(units) == first && (v == math.Trunc(v) || math.Abs(v) >= 99.95) {
		return strconv.FormatFloat(v, 'f', 0, 64) + " " + units[0]
	}
	return digits(v) + " " + units[0]
}

// digits writes two digits behind the point, or three in all.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case a < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// whole writes v without a fraction, its thousands apart.
func whole(v float64) string {
	text := strconv.FormatFloat(v, 'f', 0, 64)
	var b strings.Builder
	for i, c := range text {
		if i > 0 && (len(text)-i)%3 == 0 && text[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// median writes that of s, or that there is none.
func (u unit) median(s Spread) string {
	if s.N == 0 {
		return missing
	}
	return u.format(s.Median)
}

// extremes writes the least and the greatest, or nothing where one round is all.
func (u unit) extremes(s Spread) string {
	if s.N < 2 {
		return ""
	}
	return u.format(s.Min) + " to " + u.format(s.Max)
}

// full writes the median, and the extremes in brackets.
func (u unit) full(s Spread) string {
	if s.N < 2 {
		return u.median(s)
	}
	return u.median(s) + " (" + u.extremes(s) + ")"
}

// size writes a number of bytes as people call it.
func size(bytes int) string {
	switch {
	case bytes >= 1<<20 && bytes%(1<<20) == 0:
		return whole(float64(bytes>>20)) + " MiB"
	case bytes >= 1<<10 && bytes%(1<<10) == 0:
		return whole(float64(bytes>>10)) + " KiB"
	}
	return whole(float64(bytes)) + " B"
}

// describe names a cell for people: connections, messages on their way, bytes.
func describe(c record.Cell) string {
	var parts []string
	add := func(n int, one, many string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+one)
		case n > 1:
			parts = append(parts, whole(float64(n))+" "+many)
		}
	}
	add(c.Connections, "connection", "connections")
	switch c.Scenario {
	case record.Echo, record.Deflate, record.TLS:
		add(c.Outstanding, "in flight", "in flight")
	case record.Broadcast:
		add(c.Outstanding, "broadcast on its way", "broadcasts on their way")
	}
	if c.Bytes > 0 {
		parts = append(parts, size(c.Bytes))
	}
	if c.Text {
		parts = append(parts, "text")
	}
	if c.Takeover {
		parts = append(parts, "context takeover")
	}
	if c.Cores > 1 {
		add(c.Cores, "", "cores")
	}
	return strings.Join(parts, ", ")
}

// plain keeps text that comes from elsewhere from moving the cursor, or from breaking a page or a table.
func plain(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return unicode.ReplacementChar
	}, s)
}
