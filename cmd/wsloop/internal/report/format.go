package report

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// unit says what a figure counts, and so how it is written and read.
type unit string

const (
	count    unit = ""
	nanos    unit = "ns"
	octets   unit = "B"
	rate     unit = "1/s"
	byteRate unit = "B/s"
)

// format writes a value with three digits and its unit.
func (u unit) format(v float64) string {
	switch u {
	case nanos:
		return duration(time.Duration(v))
	case count:
		return whole(v)
	case rate:
		return scaled(v, "") + "/s"
	}
	return scaled(v, string(u))
}

// whole writes a count in full, its thousands apart.
func whole(v float64) string {
	digits := strconv.FormatFloat(v, 'f', 0, 64)
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// duration writes d with three digits, in the greatest unit up to seconds that leaves something before the point.
func duration(d time.Duration) string {
	v, names := float64(d), []string{"ns", "µs", "ms", "s"}
	for len(names) > 1 && math.Abs(v) >= 999.5 {
		v, names = v/1000, names[1:]
	}
	if names[0] == "ns" || names[0] == "s" && math.Abs(v) >= 999.5 {
		return strconv.FormatFloat(v, 'f', 0, 64) + " " + names[0]
	}
	return digits(v) + " " + names[0]
}

// scaled writes v with three digits and the prefix of its unit that leaves something before the point.
func scaled(v float64, unit string) string {
	prefixes := []string{"", "k", "M", "G", "T", "P"}
	for len(prefixes) > 1 && math.Abs(v) >= 999.5 {
		v, prefixes = v/1000, prefixes[1:]
	}
	text := digits(v)
	if prefixes[0] == "" && v == math.Trunc(v) {
		text = strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strings.TrimSuffix(text+" "+prefixes[0]+unit, " ")
}

// digits writes three digits.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case a < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// short writes a tick of an axis: as the others do, without what is zero behind the point.
func (u unit) short(v float64) string {
	text := u.format(v)
	if u == count || u == rate {
		text = scaled(v, "")
	}
	number, rest, _ := strings.Cut(text, " ")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return strings.TrimSpace(number + " " + rest)
}

// plain keeps text that comes from elsewhere from moving the cursor, or from breaking a page.
func plain(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return unicode.ReplacementChar
	}, s)
}
