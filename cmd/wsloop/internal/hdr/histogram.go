package hdr

import (
	"iter"
	"math"
	"math/bits"
	"time"
)

// How values are cut into buckets, for those who write that down.
const (
	PerPower = 1 << bucketBits // buckets of a power of two
	Powers   = 64 - bucketBits // of a positive int64, all values below 64 being the first
)

const (
	bucketBits = 6
	valueBits  = bucketBits + 1       // of a value that tell its bucket
	buckets    = Powers * PerPower    // all of them
	errorShare = 1.0 / (2 * PerPower) // the greatest distance of a value to the middle of its bucket
)

// Histogram counts durations. The zero value is empty and ready; nil reads as empty. It must not be
// copied once it was used, and is for one goroutine at a time.
type Histogram struct {
	counts   [Powers]*[PerPower]uint64
	count    uint64
	min, max uint64  // nanoseconds; meaningless while count is 0
	sum      float64 // nanoseconds
}

// Record counts d once. A negative duration counts as 0. It allocates only when d is the first of its power of two.
func (h *Histogram) Record(d time.Duration) { h.RecordN(d, 1) }

// RecordN counts d n times, as Record does.
func (h *Histogram) RecordN(d time.Duration, n uint64) {
	if n == 0 {
		return
	}
	v := uint64(max(d, 0))
	power, i := bucketOf(v)
	h.power(power)[i] += n
	h.widen(v, v)
	h.count += n
	h.sum += float64(v) * float64(n)
}

// Merge adds what o counted, as if it had been recorded here. o is not changed.
func (h *Histogram) Merge(o *Histogram) {
	if o.Count() == 0 {
		return
	}
	for power, counts := range o.counts {
		if counts == nil {
			continue
		}
		into := h.power(power)
		for i, n := range counts {
			into[i] += n
		}
	}
	h.widen(o.min, o.max)
	h.count += o.count
	h.sum += o.sum
}

// Reset empties the histogram and keeps its memory for what comes next.
func (h *Histogram) Reset() {
	for _, counts := range h.counts {
		if counts != nil {
			clear(counts[:])
		}
	}
	h.count, h.min, h.max, h.sum = 0, 0, 0, 0
}

// Count returns how many durations were recorded.
func (h *Histogram) Count() uint64 {
	if h == nil {
		return 0
	}
	return h.count
}

// Min returns the least duration, exactly, or 0 without one.
func (h *Histogram) Min() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.min)
}

// Max returns the greatest duration, exactly, or 0 without one.
func (h *Histogram) Max() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.max)
}

// Mean returns the mean, which the buckets do not blur, or 0 without a record.
func (h *Histogram) Mean() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.sum / float64(h.count))
}

// StdDev returns the standard deviation of the middles of the buckets, or 0 without a record.
func (h *Histogram) StdDev() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	mean, squares := h.sum/float64(h.count), 0.0
	for i, n := range h.all() {
		distance := float64(h.middle(i)) - mean
		squares += distance * distance * float64(n)
	}
	return time.Duration(math.Sqrt(squares / float64(h.count)))
}

// Quantile returns the duration that the share q of all records, from 0 to 1, does not exceed: Min at 0, Max at 1.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.Count() == 0 {
		return 0
	}
	// 0.07 of 100 is a bit more than 7 in floating point, and must not be the eighth.
	rank := math.Ceil(math.Nextafter(q*float64(h.count), 0))
	switch {
	case !(rank > 1):
		return h.Min()
	case rank >= float64(h.count):
		return h.Max()
	}
	var at int
	var seen uint64
	for i, n := range h.all() {
		if at, seen = i, seen+n; float64(seen) >= rank {
			break
		}
	}
	return time.Duration(h.middle(at))
}

// Buckets yields the greatest duration of each bucket that is not empty, and its count, from the least up.
func (h *Histogram) Buckets() iter.Seq2[time.Duration, uint64] {
	return func(yield func(time.Duration, uint64) bool) {
		if h == nil {
			return
		}
		for i, n := range h.all() {
			low, width := bounds(i)
			if !yield(time.Duration(min(low+width-1, h.max)), n) {
				return
			}
		}
	}
}

// all yields the index of each bucket that is not empty, and its count.
func (h *Histogram) all() iter.Seq2[int, uint64] {
	return func(yield func(int, uint64) bool) {
		for power, counts := range h.counts {
			if counts == nil {
				continue
			}
			for i, n := range counts {
				if n > 0 && !yield(power*PerPower+i, n) {
					return
				}
			}
		}
	}
}

// middle is what a bucket's values are reported as.
func (h *Histogram) middle(i int) uint64 {
	low, width := bounds(i)
	return min(max(low+(width-1)/2, h.min), h.max)
}

func (h *Histogram) power(power int) *[PerPower]uint64 {
	if h.counts[power] == nil {
		h.counts[power] = new([PerPower]uint64)
	}
	return h.counts[power]
}

// widen takes in the least and the greatest of what is about to be counted.
func (h *Histogram) widen(least, greatest uint64) {
	if h.count == 0 || least < h.min {
		h.min = least
	}
	if h.count == 0 || greatest > h.max {
		h.max = greatest
	}
}

// bucketOf returns where a value is counted.
func bucketOf(v uint64) (power, i int) {
	if v < PerPower {
		return 0, int(v)
	}
	shift := bits.Len64(v) - valueBits
	return shift + 1, int(v>>shift) - PerPower
}

// bounds returns the least value of a bucket, and how many values it holds.
func bounds(bucket int) (low, width uint64) {
	power, i := bucket/PerPower, uint64(bucket%PerPower)
	if power == 0 {
		return i, 1
	}
	return (PerPower + i) << (power - 1), 1 << (power - 1)
}
