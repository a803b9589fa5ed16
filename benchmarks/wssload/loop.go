//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsloop/wsloop/benchmarks/internal/machine"
)

const (
	// readBytes is how much is read at once, behind the record that had begun.
	readBytes = 256 << 10
	maxEvents = 256
	turnMS    = 100
)

// loop is the closed loop: as many replies as one read completes are answered by as many messages in one write.
type loop struct {
	epoll       int
	message     message
	peers       []*peer
	outstanding int

	buffer   []byte // what was read, of one peer at a time
	sealed   []byte // what is to be written, of one peer at a time
	ready    []unix.EpollEvent
	draining bool // replies are no longer answered
	inFlight int  // over all connections
	heard    time.Time
	received counts
}

// counts are what came so far.
type counts struct {
	wire, plain, records int // bytes with TLS and without, and records
}

func newLoop(m message, peers []*peer, outstanding int) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	l := &loop{
		epoll: epoll, message: m, peers: peers, outstanding: outstanding,
		buffer: make([]byte, maxRecord+readBytes), ready: make([]unix.EpollEvent, maxEvents), heard: time.Now(),
	}
	for i := range peers {
		if err := l.watch(unix.EPOLL_CTL_ADD, i, unix.EPOLLIN); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

func (l *loop) close() { _ = unix.Close(l.epoll) } // nothing is lost with it

// watch says what to wait for on a peer.
func (l *loop) watch(op, index int, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(index)} // the data is the index
	if err := unix.EpollCtl(l.epoll, op, l.peers[index].fd, &ev); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// measure begins, warms up, measures, and waits for the replies that are owed then. It returns key=value.
func (l *loop) measure(server int, warmup, seconds float64) (string, error) {
	for i := range l.peers {
		if err := l.submit(i, l.outstanding); err != nil {
			return "", err
		}
	}
	if err := l.runFor(warmup); err != nil {
		return "", err
	}
	before, received := read(server), l.received
	if err := l.runFor(seconds); err != nil {
		return "", err
	}
	after, came := read(server), l.received
	if err := errors.Join(before.err, after.err); err != nil {
		return "", err
	}
	l.draining = true
	for l.inFlight > 0 {
		if err := l.turn(); err != nil {
			return "", err
		}
	}
	return l.report(before, after, counts{came.wire - received.wire, came.plain - received.plain, came.records - received.records})
}

func (l *loop) runFor(seconds float64) error {
	for end := time.Now().Add(time.Duration(seconds * float64(time.Second))); time.Now().Before(end); {
		if err := l.turn(); err != nil {
			return err
		}
	}
	return nil
}

// turn waits once, and serves what is ready.
func (l *loop) turn() error {
	n, err := unix.EpollWait(l.epoll, l.ready, turnMS)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("epoll: %w", err)
	}
	if n <= 0 {
		if time.Since(l.heard) > patience {
			return fmt.Errorf("stalled: %d messages without a reply", l.inFlight)
		}
		return nil
	}
	l.heard = time.Now()
	for _, ev := range l.ready[:n] {
		index := int(ev.Fd)
		if ev.Events&unix.EPOLLOUT != 0 {
			if err := l.flush(index); err != nil {
				return err
			}
		}
		if ev.Events&^unix.EPOLLOUT != 0 {
			if err := l.readable(index); err != nil {
				return err
			}
		}
	}
	return nil
}

// readable counts the replies that have come, and answers them.
func (l *loop) readable(index int) error {
	p := l.peers[index]
	begun := copy(l.buffer, p.begun)
	n, err := p.readInto(l.buffer[begun:])
	if err != nil || n == 0 {
		return err
	}
	l.received.wire += n
	plain := 0
	records, err := p.records(l.buffer[:begun+n], func(b []byte) { plain += len(b) })
	if err != nil {
		return err
	}
	l.received.plain += plain
	l.received.records += records
	p.partial += plain
	replies := p.partial / len(l.message.reply)
	p.partial -= replies * len(l.message.reply)
	if replies > p.inFlight || replies == p.inFlight && p.partial > 0 {
		return errors.New("the server sent more than it was asked for")
	}
	p.inFlight -= replies
	l.inFlight -= replies
	if replies == 0 || l.draining {
		return nil
	}
	return l.submit(index, replies)
}

// submit sends some more messages, as far as the socket takes them.
func (l *loop) submit(index, messages int) error {
	p := l.peers[index]
	p.inFlight += messages
	l.inFlight += messages
	l.sealed = l.sealed[:0]
	for range messages {
		l.sealed = p.out.seal(l.sealed, l.message.sent)
	}
	if len(p.unsent) > 0 {
		p.unsent = append(p.unsent, l.sealed...)
		return nil
	}
	n, err := written(unix.Write(p.fd, l.sealed))
	if err != nil || n == len(l.sealed) {
		return err
	}
	p.unsent = append(p.unsent, l.sealed[n:]...)
	return l.watch(unix.EPOLL_CTL_MOD, index, unix.EPOLLIN|unix.EPOLLOUT)
}

// flush sends what the socket did not take before.
func (l *loop) flush(index int) error {
	p := l.peers[index]
	n, err := written(unix.Write(p.fd, p.unsent))
	if err != nil {
		return err
	}
	if p.unsent = p.unsent[:copy(p.unsent, p.unsent[n:])]; len(p.unsent) > 0 {
		return nil
	}
	return l.watch(unix.EPOLL_CTL_MOD, index, unix.EPOLLIN)
}

// written is what Write returned, where a full socket is no error.
func written(n int, err error) (int, error) {
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	return n, nil
}

// reading is who used how much until some moment.
type reading struct {
	machine        machine.Usage
	server, client time.Duration
	err            error
}

func read(server int) (r reading) {
	var failures [3]error
	r.machine, failures[0] = machine.Read()
	r.server, failures[1] = machine.CPU(server)
	r.client, failures[2] = machine.CPU(os.Getpid())
	r.err = errors.Join(failures[:]...)
	return r
}

// report is the line of key=value, as scripts/bench/load has it. Messages count by bytes, so that long ones do by the part that came.
func (l *loop) report(before, after reading, came counts) (string, error) {
	messages := float64(came.plain) / float64(len(l.message.reply))
	if messages < 1 {
		return "", errors.New("no message was answered")
	}
	clock := after.machine.At.Sub(before.machine.At)
	server, client := after.server-before.server, after.client-before.client
	other := max(0, after.machine.Busy-before.machine.Busy-server-client)
	percent := func(d time.Duration) float64 { return 100 * d.Seconds() / clock.Seconds() }
	return fmt.Sprintf("messages=%.0f seconds=%.3f msgs_per_s=%.0f server_cpu_ns=%d cpu_ns_per_msg=%.1f wire_bytes=%.2f records_per_msg=%.3f"+
		" server_pct=%.1f client_pct=%.1f other_pct=%.1f",
		messages, clock.Seconds(), messages/clock.Seconds(), server.Nanoseconds(), float64(server.Nanoseconds())/messages,
		float64(came.wire)/messages, float64(came.records)/messages, percent(server), percent(client), percent(other)), nil
}
