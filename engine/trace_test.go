package engine

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// trace notes every callback as a line of text, whatever its loop, and then calls what a test hung
// in.
type trace struct {
	mu    sync.Mutex
	lines []string
	conn  Conn          // the last one that opened
	gone  chan struct{} // gets a value after each Close

	upgrade, open, ping, pong, closed func(c Conn)
	message                           func(c Conn, op codec.Opcode, payload []byte)
}

func newTrace() *trace { return &trace{gone: make(chan struct{}, 1<<16)} }

func (tr *trace) note(line string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.lines = append(tr.lines, fmt.Sprintf(line, args...))
}

// expect compares what was noted, and forgets it.
func (tr *trace) expect(t testing.TB, want ...string) {
	t.Helper()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if !slices.Equal(tr.lines, want) {
		t.Errorf("callbacks %q\nwant      %q", tr.lines, want)
	}
	tr.lines = nil
}

// events are the callbacks; no Upgrade unless one is hung in, so that plain servers are tested too.
func (tr *trace) events() Events {
	e := Events{
		Open: func(c Conn) {
			tr.note("open")
			tr.mu.Lock()
			tr.conn = c
			tr.mu.Unlock()
			call(tr.open, c)
		},
		Message: func(c Conn, op codec.Opcode, payload []byte) {
			tr.note("%v %.40s", op, payload)
			if tr.message != nil {
				tr.message(c, op, payload)
			}
		},
		Ping: func(c Conn, payload []byte) {
			tr.note("ping %s", payload)
			call(tr.ping, c)
		},
		Pong: func(c Conn, payload []byte) {
			tr.note("pong %s", payload)
			call(tr.pong, c)
		},
		Close: func(c Conn, how Closure) {
			defer func() { tr.gone <- struct{}{} }()
			tr.note("close %d %s, %v", how.Code, how.Reason, how.Err)
			call(tr.closed, c)
		},
	}
	if tr.upgrade != nil {
		e.Upgrade = func(c Conn, _ *handshake.Request, _ *handshake.Response) { tr.upgrade(c) }
	}
	return e
}

func call(f func(Conn), c Conn) {
	if f != nil {
		f(c)
	}
}
