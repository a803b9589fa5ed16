package load

import (
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/hdr"
)

// A tally is what a lane counted since its last one was taken away, or the sum of several. Counters of messages are of all
// messages, measured or not; of the histograms, early has the latencies of messages that were due before the measurement.
type tally struct {
	attempted, opened, failed, lost uint64
	sent, received                  uint64
	sentBytes, receivedBytes        uint64

	early, corrected, uncorrected, slip hdr.Histogram
	connecting, handshake               hdr.Histogram

	errors map[string]uint64
}

// maxCauses bounds the causes that are told apart. The rest are counted together.
const maxCauses = 100

// fail counts an error.
func (t *tally) fail(cause string, n uint64) {
	if n == 0 {
		return
	}
	if t.errors == nil {
		t.errors = make(map[string]uint64)
	}
	if _, known := t.errors[cause]; !known && len(t.errors) >= maxCauses {
		cause = "others"
	}
	t.errors[cause] += n
}

// reset empties the tally and keeps its memory.
func (t *tally) reset() {
	for _, h := range t.histograms() {
		h.Reset()
	}
	t.attempted, t.opened, t.failed, t.lost = 0, 0, 0, 0
	t.sent, t.received, t.sentBytes, t.receivedBytes = 0, 0, 0, 0
	clear(t.errors)
}

// add adds what o counted.
func (t *tally) add(o *tally) {
	t.attempted += o.attempted
	t.opened += o.opened
	t.failed += o.failed
	t.lost += o.lost
	t.addMessages(o)
	t.addRest(o)
}

// addMessages adds the counters of messages.
func (t *tally) addMessages(o *tally) {
	t.sent += o.sent
	t.received += o.received
	t.sentBytes += o.sentBytes
	t.receivedBytes += o.receivedBytes
}

// addRest adds histograms and errors.
func (t *tally) addRest(o *tally) {
	from := o.histograms()
	for i, h := range t.histograms() {
		h.Merge(from[i])
	}
	for cause, n := range o.errors {
		t.fail(cause, n)
	}
}

func (t *tally) histograms() [6]*hdr.Histogram {
	return [...]*hdr.Histogram{&t.early, &t.corrected, &t.uncorrected, &t.slip, &t.connecting, &t.handshake}
}

func (t *tally) errorCount() (n uint64) {
	for _, count := range t.errors {
		n += count
	}
	return n
}

// latency is all latencies of the tally, measured or not, in a histogram of its own; nil if there is none.
func (t *tally) latency() *hdr.Histogram {
	if t.early.Count()+t.corrected.Count() == 0 {
		return nil
	}
	h := new(hdr.Histogram)
	h.Merge(&t.early)
	h.Merge(&t.corrected)
	return h
}

func nanos(from, to int64) time.Duration { return time.Duration(to - from) }
