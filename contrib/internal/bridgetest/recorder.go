package bridgetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// Patience is how long tests wait for what has to happen.
const Patience = 60 * time.Second

// Eventually waits until something holds.
func Eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// Recorder is an engine.BridgeReceiver that notes what it is told.
type Recorder struct {
	mu       sync.Mutex
	messages []string // "name payload", or "gap"
	refuse   error
	hold     chan struct{} // Deliver waits for it
}

var _ engine.BridgeReceiver = (*Recorder)(nil)

// Open opens a bridge until the end of the test, and has it want patterns.
func Open(t *testing.T, b engine.Bridge, patterns ...string) *Recorder {
	t.Helper()
	r := new(Recorder)
	if err := b.Open(r); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	for _, pattern := range patterns {
		b.Interest(pattern, true)
	}
	return r
}

// Deliver implements engine.BridgeReceiver.
func (r *Recorder) Deliver(name string, op codec.Opcode, payload []byte) error {
	r.mu.Lock()
	hold, refuse := r.hold, r.refuse
	r.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if refuse == nil {
		r.note(name + " " + string(payload))
	}
	return refuse
}

// Gap implements engine.BridgeReceiver.
func (r *Recorder) Gap() { r.note("gap") }

func (r *Recorder) note(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, what)
}

// Refuse has Deliver return an error from now on.
func (r *Recorder) Refuse(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = err
}

// Hold has Deliver wait until release is called, which may be more than once.
func (r *Recorder) Hold() (release func()) {
	hold := make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hold = hold
	return sync.OnceFunc(func() { close(hold) })
}

// All is what was noted.
func (r *Recorder) All() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

// Count is how much was noted.
func (r *Recorder) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.messages)
}

// Last is what was noted last.
func (r *Recorder) Last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.messages) == 0 {
		return ""
	}
	return r.messages[len(r.messages)-1]
}

// Publish has a bridge publish "0", "1" and so on; those that are refused leave gaps.
func Publish(b engine.Bridge, name string, from, to int) {
	for i := from; i < to; i++ {
		b.Publish(name, codec.OpcodeText, fmt.Appendf(nil, "%d", i))
	}
}

// Numbers are what Publish sends, as a Recorder notes it.
func Numbers(name string, from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf("%s %d", name, i))
	}
	return all
}

// Number is that of a message of Publish, -1 if it is none.
func Number(message string) int {
	n, err := strconv.Atoi(message[strings.LastIndexByte(message, ' ')+1:])
	if err != nil {
		return -1
	}
	return n
}

// CheckAscending checks that no message of one publisher comes twice or out of order.
func CheckAscending(t *testing.T, all []string) {
	t.Helper()
	last := -1
	for _, m := range all {
		if m == "gap" {
			continue
		}
		n := Number(m)
		if n <= last {
			t.Fatalf("%q behind %d", m, last)
		}
		last = n
	}
}
