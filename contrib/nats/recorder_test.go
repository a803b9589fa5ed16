package nats

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// recorder is a BridgeReceiver that notes what it is told.
type recorder struct {
	mu       sync.Mutex
	messages []string // "name payload", or "gap"
	refuse   error
	gaps     int
	hold     chan struct{} // Deliver waits for it
}

func (r *recorder) Deliver(name string, op codec.Opcode, payload []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hold != nil {
		hold := r.hold
		r.mu.Unlock()
		<-hold
		r.mu.Lock()
	}
	if r.refuse != nil {
		return r.refuse
	}
	r.messages = append(r.messages, name+" "+string(payload))
	return nil
}

func (r *recorder) Gap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gaps++
	r.messages = append(r.messages, "gap")
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

func (r *recorder) count() int { return len(r.all()) }

func (r *recorder) last() string {
	all := r.all()
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// beat is the heartbeat of bridges in tests in which NATS goes away.
const beat = 100 * time.Millisecond

// opened makes a bridge and opens it, and closes it at the end of the test.
func opened(t *testing.T, name string, o Options, patterns ...string) (*Bridge, *recorder) {
	t.Helper()
	o.Name = name
	o.Logger = slog.New(slog.DiscardHandler)
	if o.MaxBackoff == 0 {
		o.MaxBackoff = 200 * time.Millisecond
	}
	if o.CloseTimeout == 0 {
		o.CloseTimeout = 100 * time.Millisecond
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r := new(recorder)
	if err := b.Open(r); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	for _, pattern := range patterns {
		b.Interest(pattern, true)
	}
	return b, r
}

// publish sends texts "0", "1" and so on; those that are refused leave gaps.
func publish(b *Bridge, name string, from, to int) {
	for i := from; i < to; i++ {
		b.Publish(name, codec.OpcodeText, fmt.Appendf(nil, "%d", i))
	}
}

// numbers are what publish sends, as a recorder notes it.
func numbers(name string, from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf("%s %d", name, i))
	}
	return all
}

// sums is how many messages that were published here are counted.
func sums(b *Bridge) uint64 {
	s := b.Stats()
	return s.Carried + s.Unconfirmed + s.Missed + s.Dropped + s.TooLong + s.Unsendable
}

// lastNumber is that of the last message of publish.
func lastNumber(r *recorder) int {
	last := r.last()
	n, err := strconv.Atoi(last[strings.LastIndexByte(last, ' ')+1:])
	if err != nil {
		return -1
	}
	return n
}
