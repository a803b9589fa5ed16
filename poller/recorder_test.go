//go:build linux

package poller

import (
	"syscall"
	"time"
)

// A recorder is a Handler that keeps what it is told.
type recorder struct {
	loop        Loop
	opened      []Token
	data        map[Token][]byte
	eof         map[Token]int
	drained     map[Token]int
	closedWith  map[Token]error
	closedCount map[Token]int
	tags        map[Token]any // of dialed connections
	connected   map[Token]int
	flushes     int
	ticks       int

	onDialing   func(t Token)
	onConnected func(t Token)
	onBuffer    func(t Token) []byte
	onData      func(t Token, b []byte) int
	onProgress  func(t Token, pending int)
	onFlush     func()
}

var _ Handler = (*recorder)(nil)

func newRecorder(l Loop) *recorder {
	return &recorder{
		loop: l, data: map[Token][]byte{}, eof: map[Token]int{}, drained: map[Token]int{},
		closedWith: map[Token]error{}, closedCount: map[Token]int{}, tags: map[Token]any{}, connected: map[Token]int{},
	}
}

func (r *recorder) Open(t Token) { r.opened = append(r.opened, t) }

func (r *recorder) Buffer(t Token) []byte {
	if r.onBuffer == nil {
		return nil
	}
	return r.onBuffer(t)
}

func (r *recorder) Dialing(t Token, tag any) {
	r.opened = append(r.opened, t)
	r.tags[t] = tag
	if r.onDialing != nil {
		r.onDialing(t)
	}
}

func (r *recorder) Connected(t Token) {
	r.connected[t]++
	if r.onConnected != nil {
		r.onConnected(t)
	}
}

func (r *recorder) Data(t Token, b []byte) int {
	if r.onData != nil {
		return r.onData(t, b)
	}
	r.data[t] = append(r.data[t], b...)
	return len(b)
}

func (r *recorder) EOF(t Token) { r.eof[t]++ }

func (r *recorder) Drained(t Token) { r.drained[t]++ }

func (r *recorder) Progress(t Token, pending int) {
	if r.onProgress != nil {
		r.onProgress(t, pending)
	}
}

func (r *recorder) Closed(t Token, err error) {
	r.closedWith[t] = err
	r.closedCount[t]++
}

func (r *recorder) Flush() {
	r.flushes++
	if r.onFlush != nil {
		r.onFlush()
	}
}

func (r *recorder) Tick(time.Duration) { r.ticks++ }

// faultMechanism is a mechanism with calls that a test makes fail.
type faultMechanism struct {
	mechanism
	onAdd    func() syscall.Errno
	onModify func() syscall.Errno
	onWait   func() syscall.Errno // poll and block
	onWake   func() bool          // false loses the wake
}

func (m *faultMechanism) add(fd int, t Token, in interest) syscall.Errno {
	if m.onAdd != nil {
		if errno := m.onAdd(); errno != 0 {
			return errno
		}
	}
	return m.mechanism.add(fd, t, in)
}

func (m *faultMechanism) modify(fd int, t Token, from, to interest) syscall.Errno {
	if m.onModify != nil {
		if errno := m.onModify(); errno != 0 {
			return errno
		}
	}
	return m.mechanism.modify(fd, t, from, to)
}

func (m *faultMechanism) poll(events []event, timeoutMillis int) (int, syscall.Errno) {
	if m.onWait != nil {
		if errno := m.onWait(); errno != 0 {
			return 0, errno
		}
	}
	return m.mechanism.poll(events, timeoutMillis)
}

func (m *faultMechanism) block(events []event, timeoutMillis int) (int, syscall.Errno) {
	if m.onWait != nil {
		if errno := m.onWait(); errno != 0 {
			return 0, errno
		}
	}
	return m.mechanism.block(events, timeoutMillis)
}

func (m *faultMechanism) wake() syscall.Errno {
	if m.onWake != nil && !m.onWake() {
		return 0
	}
	return m.mechanism.wake()
}
