package report

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/hdr"
)

// ticksPerHalving is how many lines WriteHGRM writes until the share of greater values has halved.
const ticksPerHalving = 5

// WriteHGRM writes a histogram as the percentile lines of HdrHistogram, in milliseconds, for programs that plot those.
func WriteHGRM(w io.Writer, h *hdr.Histogram) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")
	var seen uint64
	next := 0
	for top, n := range h.Buckets() {
		seen += n
		for share := tick(next); seen < h.Count() && share*float64(h.Count()) <= float64(seen); share = tick(next) {
			fmt.Fprintf(b, "%12.3f %2.12f %10d %14.2f\n", millis(top), share, seen, 1/(1-share))
			next++
		}
	}
	if seen > 0 {
		fmt.Fprintf(b, "%12.3f %2.12f %10d\n", millis(h.Max()), 1.0, seen)
	}
	fmt.Fprintf(b, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", millis(h.Mean()), millis(h.StdDev()))
	fmt.Fprintf(b, "#[Max     = %12.3f, Total count    = %12d]\n", millis(h.Max()), seen)
	fmt.Fprintf(b, "#[Buckets = %12d, SubBuckets     = %12d]\n", hdr.Powers, hdr.PerPower)
	return b.Flush()
}

// tick returns the share that a line is about. Steps halve whenever the rest has.
func tick(line int) float64 {
	halving, step := line/ticksPerHalving, line%ticksPerHalving
	return 1 - math.Ldexp(1-float64(step)/(2*ticksPerHalving), -halving)
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
