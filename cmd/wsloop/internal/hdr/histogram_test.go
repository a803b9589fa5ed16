package hdr

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var quantiles = []float64{0, 0.001, 0.07, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1}

func TestBucketsMeet(t *testing.T) {
	next := uint64(0)
	for i := range buckets {
		low, width := bounds(i)
		if low != next {
			t.Fatalf("bucket %d begins at %d, want %d", i, low, next)
		}
		for _, v := range []uint64{low, low + width/2, low + width - 1} {
			power, at := bucketOf(v)
			if power*PerPower+at != i {
				t.Fatalf("%d is in bucket %d, want %d", v, power*PerPower+at, i)
			}
		}
		next = low + width
	}
	if next != 1<<63 {
		t.Errorf("the last bucket ends at %d", next)
	}
}

// samples draws n durations, spread over the powers of ten or close together.
func samples(r *rand.Rand, n int) []time.Duration {
	all := make([]time.Duration, n)
	lowest, spread := r.Float64()*4, 0.1+r.Float64()*9
	for i := range all {
		all[i] = time.Duration(math.Pow(10, lowest+r.Float64()*spread))
	}
	return all
}

func recorded(all []time.Duration) *Histogram {
	h := new(Histogram)
	for _, d := range all {
		h.Record(d)
	}
	return h
}

// near says whether got is within the promised error of want.
func near(got, want time.Duration) bool {
	return math.Abs(float64(got-want)) <= float64(want)*errorShare
}

func TestQuantilesAgainstSortedSamples(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		all := samples(r, 1+r.IntN(3000))
		h := recorded(all)
		slices.Sort(all)
		for _, q := range quantiles {
			rank := max(int(math.Ceil(math.Nextafter(q*float64(len(all)), 0))), 1)
			if got, want := h.Quantile(q), all[rank-1]; !near(got, want) {
				t.Fatalf("quantile %v of %d: %d, want %d", q, len(all), got, want)
			}
		}
		if h.Min() != all[0] || h.Max() != all[len(all)-1] || h.Count() != uint64(len(all)) {
			t.Fatalf("min %d max %d count %d", h.Min(), h.Max(), h.Count())
		}
		checkMoments(t, h, all)
	}
}

func checkMoments(t *testing.T, h *Histogram, all []time.Duration) {
	t.Helper()
	sum, squares := 0.0, 0.0
	for _, d := range all {
		sum += float64(d)
	}
	mean := sum / float64(len(all))
	for _, d := range all {
		squares += (float64(d) - mean) * (float64(d) - mean)
	}
	stdDev := math.Sqrt(squares / float64(len(all)))
	if math.Abs(float64(h.Mean())-mean) > 1+mean*1e-9 {
		t.Fatalf("mean %d, want %v", h.Mean(), mean)
	}
	if off := math.Abs(float64(h.StdDev()) - stdDev); off > 1+(stdDev+mean)*errorShare {
		t.Fatalf("standard deviation %d, want %v", h.StdDev(), stdDev)
	}
}

func TestExactRanks(t *testing.T) {
	h := new(Histogram)
	for i := range 100 {
		h.Record(time.Duration(i + 1))
	}
	for i := range 100 {
		if got := h.Quantile(float64(i+1) / 100); got != time.Duration(i+1) {
			t.Errorf("quantile %d/100 is %d", i+1, got)
		}
	}
	if got := h.Quantile(math.NaN()); got != 1 {
		t.Errorf("quantile of no number is %d", got)
	}
}

func TestExtremes(t *testing.T) {
	h := recorded([]time.Duration{-time.Second, 0, 1, math.MaxInt64})
	if h.Min() != 0 || h.Max() != math.MaxInt64 || h.Quantile(0.75) != 1 {
		t.Errorf("min %d max %d p75 %d", h.Min(), h.Max(), h.Quantile(0.75))
	}
}

func TestEmpty(t *testing.T) {
	h := recorded([]time.Duration{time.Second})
	h.Reset()
	for _, h := range []*Histogram{nil, {}, h} {
		if h.Count() != 0 || h.Min() != 0 || h.Max() != 0 || h.Mean() != 0 || h.StdDev() != 0 || h.Quantile(0.5) != 0 {
			t.Errorf("%v is not empty", h)
		}
		for d, n := range h.Buckets() {
			t.Errorf("a bucket of %d at %v", n, d)
		}
	}
	h.Record(time.Minute)
	if h.Min() != time.Minute || h.Max() != time.Minute || h.Count() != 1 {
		t.Errorf("after Reset: min %v max %v count %d", h.Min(), h.Max(), h.Count())
	}
}

func TestMergeIsRecordOfBoth(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		a, b := samples(r, r.IntN(500)), samples(r, r.IntN(500))
		merged, other := recorded(a), recorded(b)
		merged.Merge(other)
		merged.Merge(nil)
		if both := recorded(slices.Concat(a, b)); !same(merged, both) {
			t.Fatalf("merged %s\nboth   %s", text(merged), text(both))
		}
		if !same(other, recorded(b)) {
			t.Fatal("merging changed what was merged")
		}
	}
}

func TestRecordN(t *testing.T) {
	once, many := new(Histogram), new(Histogram)
	once.RecordN(time.Millisecond, 1000)
	once.RecordN(time.Hour, 0)
	for range 1000 {
		many.Record(time.Millisecond)
	}
	if !same(once, many) {
		t.Errorf("%s\n%s", text(once), text(many))
	}
}

func TestBuckets(t *testing.T) {
	h := recorded([]time.Duration{3, 3, 200, 201, 1000})
	var tops []time.Duration
	var counts []uint64
	for top, n := range h.Buckets() {
		tops, counts = append(tops, top), append(counts, n)
	}
	if !slices.Equal(tops, []time.Duration{3, 201, 1000}) || !slices.Equal(counts, []uint64{2, 2, 1}) {
		t.Errorf("%v %v", tops, counts)
	}
	for range h.Buckets() {
		break
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	h := recorded([]time.Duration{time.Microsecond, time.Millisecond})
	if n := testing.AllocsPerRun(1000, func() {
		h.Record(time.Millisecond)
		h.RecordN(time.Microsecond, 3)
		_ = h.Quantile(0.99)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	other := recorded([]time.Duration{time.Microsecond})
	if n := testing.AllocsPerRun(100, func() { h.Merge(other); other.Reset(); other.Record(time.Microsecond) }); n != 0 {
		t.Errorf("%v allocations to merge and to begin anew", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	h := new(Histogram)
	for i := range b.N {
		h.Record(time.Duration(i&0xfffff) * time.Nanosecond)
	}
}
