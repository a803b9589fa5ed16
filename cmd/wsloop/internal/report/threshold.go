package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Threshold is a bound that fails a run, such as p99>5ms: what stands there must not be.
type Threshold struct {
	figure   figure
	operator string
	bound    float64
	text     string
}

// factors are what may stand behind a number, by unit.
var factors = map[unit]map[string]float64{
	count:    {"": 1, "k": 1e3, "M": 1e6, "G": 1e9},
	rate:     {"": 1, "k": 1e3, "M": 1e6, "G": 1e9},
	octets:   {"": 1, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30},
	byteRate: {"": 1, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30},
}

// ParseThreshold reads a figure, one of > >= < <=, and a bound: a duration with its unit (5ms), a count or a rate (1e6, 20k), or
// bytes (200, 4KiB). Spaces around the three are allowed. An error says what there is.
func ParseThreshold(s string) (Threshold, error) {
	name, operator, bound, err := cutOperator(s)
	if err != nil {
		return Threshold{}, err
	}
	f, err := figureOf(name)
	if err != nil {
		return Threshold{}, err
	}
	v, err := f.unit.parse(bound)
	if err != nil {
		return Threshold{}, fmt.Errorf("report: threshold %q: %w", s, err)
	}
	return Threshold{figure: f, operator: operator, bound: v, text: name + operator + bound}, nil
}

func cutOperator(s string) (name, operator, bound string, err error) {
	at := strings.IndexAny(s, "<>")
	if at < 0 {
		return "", "", "", fmt.Errorf("report: threshold %q has none of > >= < <=: write it as in p99>5ms", s)
	}
	name, operator, bound = s[:at], s[at:at+1], s[at+1:]
	if rest, found := strings.CutPrefix(bound, "="); found {
		operator, bound = operator+"=", rest
	}
	return strings.TrimSpace(name), operator, strings.TrimSpace(bound), nil
}

// parse reads a bound.
func (u unit) parse(s string) (float64, error) {
	if u == nanos {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 || s == "0" {
			return 0, fmt.Errorf("%q is no duration: it takes a number and one of ns, µs, us, ms, s, m, h", s)
		}
		return float64(d), nil
	}
	number := strings.TrimRight(s, "BGKMik")
	factor, known := factors[u][strings.TrimSpace(s[len(number):])]
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !known || !(v >= 0) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is no %s", s, u.wanted())
	}
	return v * factor, nil
}

// wanted says what a bound without a duration may be.
func (u unit) wanted() string {
	if u == octets || u == byteRate {
		return "number of bytes: it takes a number and none or one of B, kB, MB, GB, KiB, MiB, GiB"
	}
	return "number: it may end with k, M or G, and with no other unit"
}

// String returns the threshold as it was written, without spaces.
func (t Threshold) String() string { return t.text }

// Check says whether the bound is violated, and in one line what was measured. A figure that was not measured
// violates every bound: a run that measured nothing must not pass.
func (t Threshold) Check(r *Report) (violated bool, text string) {
	v, found := t.figure.find(r)
	if !found {
		return true, fmt.Sprintf("%s was not measured (fails if %s)", t.figure.name, t.text)
	}
	switch t.operator {
	case ">":
		violated = v > t.bound
	case ">=":
		violated = v >= t.bound
	case "<":
		violated = v < t.bound
	case "<=":
		violated = v <= t.bound
	}
	return violated, fmt.Sprintf("%s is %s (fails if %s)", t.figure.name, t.figure.unit.format(v), t.text)
}
