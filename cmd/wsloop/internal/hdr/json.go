package hdr

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// ErrInvalid says that an encoded histogram contradicts itself.
var ErrInvalid = errors.New("hdr: invalid histogram")

// shown are quantiles that are written for other programs to read, and not read back.
var shown = []struct {
	name string
	q    float64
}{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"p9999", 0.9999}}

// encoded is the JSON form, in nanoseconds. Buckets alternates between how far a bucket is from the one before,
// counted from -1, and its count.
type encoded struct {
	Count   uint64   `json:"count"`
	Min     uint64   `json:"min"`
	Max     uint64   `json:"max"`
	Sum     float64  `json:"sum"`
	Buckets []uint64 `json:"buckets"`
}

// MarshalJSON writes an object of all counts that are not 0, with the usual quantiles. Its unit is the nanosecond.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	if h.Count() == 0 {
		return []byte(`{"count":0}`), nil
	}
	b := append([]byte(`{"count":`), strconv.FormatUint(h.count, 10)...)
	b = appendField(b, "min", h.min)
	for _, s := range shown {
		b = appendField(b, s.name, uint64(h.Quantile(s.q)))
	}
	b = appendField(b, "max", h.max)
	b = append(b, `,"sum":`...)
	b = strconv.AppendFloat(b, h.sum, 'f', -1, 64)
	b = append(b, `,"buckets":[`...)
	last := -1
	for i, n := range h.all() {
		if last >= 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(i-last), 10)
		b = append(b, ',')
		b = strconv.AppendUint(b, n, 10)
		last = i
	}
	return append(b, "]}"...), nil
}

func appendField(b []byte, name string, v uint64) []byte {
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	return strconv.AppendUint(b, v, 10)
}

// UnmarshalJSON replaces the histogram with an encoded one. Its error is encoding/json's or wraps ErrInvalid, and
// leaves the histogram as it was.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var e encoded
	if err := json.Unmarshal(b, &e); err != nil {
		return err
	}
	decoded := Histogram{count: e.Count, min: e.Min, max: e.Max, sum: e.Sum}
	if err := decoded.fill(e.Buckets); err != nil {
		return err
	}
	*h = decoded
	return nil
}

// fill takes the counts of an encoded histogram, and checks the rest against them.
func (h *Histogram) fill(pairs []uint64) error {
	if len(pairs)%2 != 0 {
		return fmt.Errorf("%w: a bucket without a count", ErrInvalid)
	}
	at, first, total := -1, -1, uint64(0)
	for i := 0; i < len(pairs); i += 2 {
		gap, n := pairs[i], pairs[i+1]
		if gap == 0 || gap > uint64(buckets-1-at) {
			return fmt.Errorf("%w: no bucket is %d behind the one before", ErrInvalid, gap)
		}
		if n == 0 || n > math.MaxUint64-total {
			return fmt.Errorf("%w: a bucket with a count of %d", ErrInvalid, n)
		}
		at += int(gap)
		total += n
		if first < 0 {
			first = at
		}
		h.power(at / PerPower)[at%PerPower] = n
	}
	if total != h.count {
		return fmt.Errorf("%w: a count of %d, and buckets with %d", ErrInvalid, h.count, total)
	}
	if total > 0 && !h.agrees(first, at) {
		return fmt.Errorf("%w: least, greatest and sum do not fit the buckets", ErrInvalid)
	}
	return nil
}

// agrees says whether min, max and sum can belong to what is in the buckets from first to last.
func (h *Histogram) agrees(first, last int) bool {
	const rounding = 1e-6 // what adding up floating point numbers may have lost
	mean := h.sum / float64(h.count)
	return within(h.min, first) && within(h.max, last) && h.min <= h.max &&
		mean >= float64(h.min)*(1-rounding) && mean <= float64(h.max)*(1+rounding)
}

func within(v uint64, bucket int) bool {
	low, width := bounds(bucket)
	return v >= low && v-low < width
}
