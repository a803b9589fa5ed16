package report

import (
	"bufio"
	"fmt"
	"io"
	"time"
)

// WriteCSV writes the seconds of the run, one per line below a head. Latencies are corrected; they and the slip
// are in microseconds. A second without an answer has no latency.
func (r *Report) WriteCSV(w io.Writer) error {
	b := bufio.NewWriter(w)
	b.WriteString("second,open,connects,sent,received,p50_us,p99_us,p999_us,errors,slip_us\n")
	for _, s := range r.Series {
		fmt.Fprintf(b, "%d,%d,%d,%d,%d,%s,%s,%s,%d,%.3f\n", s.T, s.Open, s.Connects, s.Sent, s.Received,
			quantile(s.P50), quantile(s.P99), quantile(s.P999), s.Errors, micros(s.Slip))
	}
	return b.Flush()
}

func quantile(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("%.3f", micros(d))
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
