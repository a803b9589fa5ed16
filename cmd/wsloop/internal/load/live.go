package load

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// A Live writes a line of status each second: on a terminal over the one before, elsewhere below it.
type Live struct {
	to       io.Writer
	terminal bool
	target   int
	width    int
	causes   map[string]uint64
}

// NewLive writes to a file or nothing; target is the number of connections that were asked for.
func NewLive(to io.Writer, target int) *Live {
	l := &Live{to: to, target: target, causes: make(map[string]uint64)}
	if file, ok := to.(*os.File); ok {
		info, err := file.Stat()
		l.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return l
}

// shownCauses is how many causes of errors a line has room for.
const shownCauses = 3

// Show writes the line of a sample. A nil Live writes nothing.
func (l *Live) Show(s Sample) {
	if l == nil {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%4d s  open %d/%d", s.T+1, s.Open, l.target)
	if s.Connects > 0 {
		fmt.Fprintf(&b, "  %d connects/s", s.Connects)
	}
	if s.Sent+s.Received > 0 {
		fmt.Fprintf(&b, "  out %d/s  in %d/s", s.Sent, s.Received)
	}
	if s.Latency.Count() > 0 {
		fmt.Fprintf(&b, "  p50 %v  p99 %v", rounded(s.P50), rounded(s.P99))
	}
	for cause, n := range s.Causes {
		l.causes[cause] += n
	}
	causes := slices.SortedFunc(maps.Keys(l.causes), func(a, b string) int {
		return cmp.Or(cmp.Compare(l.causes[b], l.causes[a]), cmp.Compare(a, b))
	})
	for _, cause := range causes[:min(len(causes), shownCauses)] {
		fmt.Fprintf(&b, "  %s: %d", cause, l.causes[cause])
	}
	l.write(b.String())
}

// write covers what is left of a longer line before.
func (l *Live) write(line string) {
	if !l.terminal {
		fmt.Fprintln(l.to, line)
		return
	}
	n := len([]rune(line))
	fmt.Fprintf(l.to, "\r%s%s", line, strings.Repeat(" ", max(l.width-n, 0)))
	l.width = n
}

// End leaves the line on a terminal.
func (l *Live) End() {
	if l != nil && l.terminal && l.width > 0 {
		fmt.Fprintln(l.to)
	}
}

// rounded has three digits or so.
func rounded(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(100 * time.Nanosecond)
}
