package nats

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	client "github.com/nats-io/nats.go"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// Errors of Publish. The message was dropped and counted.
var (
	ErrAway    = errors.New("nats: NATS is away")
	ErrClosed  = errors.New("nats: bridge is not open")
	ErrTooLong = errors.New("nats: message is too long")
)

// Bridge is an engine.Bridge over NATS. It may be opened once.
type Bridge struct {
	options  Options
	origin   uint64
	receiver engine.BridgeReceiver
	counters counters
	state    atomic.Uint32 // a state; changed under mu
	longest  atomic.Int64  // payload that NATS takes
	// subscribed is how many subscriptions NATS has confirmed
	subscribed atomic.Int64

	mu       sync.Mutex
	sequence uint64
	out      queue[message]
	wanted   map[string]struct{}
	changed  map[string]struct{} // patterns whose subscription may not be what is wanted; nil without a link

	wake    chan struct{} // something is in out or changed
	closing chan struct{}
	ended   chan struct{} // closed when the goroutine that talks to NATS is done
	hasGap  bool          // to be told once NATS is back; of that goroutine
	others  []string      // servers of the cluster that NATS told of; of that goroutine

	sockets  sockets
	arrivals arrivals
	inbox    inbox
}

var _ engine.Bridge = (*Bridge)(nil)

// state is how far a Bridge is.
type state uint32

const (
	unopened state = iota
	starting       // the first attempt to connect is not over: messages wait
	up             // connected, and all subscriptions are confirmed
	away           // messages are dropped
	closed
)

// message waits to be sent.
type message struct {
	subject string
	data    []byte
}

// messageOverhead is what a queued message takes besides its subject and data, about.
const messageOverhead = 64

// New makes a bridge. It does not connect before Open. The error is one of the options.
func New(options Options) (*Bridge, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	var id [8]byte
	rand.Read(id[:]) // never fails
	b := &Bridge{
		options: options,
		origin:  binary.BigEndian.Uint64(id[:]),
		out:     queue[message]{mostItems: options.MaxQueued, mostBytes: options.MaxQueuedBytes},
		wanted:  make(map[string]struct{}),
		wake:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		ended:   make(chan struct{}),
	}
	b.longest.Store(int64(options.MaxMessageBytes))
	b.sockets.ctx, b.sockets.cancel = context.WithCancel(context.Background())
	b.arrivals.init()
	b.inbox.init(options, &b.counters)
	b.out.dropped = func(message) { b.counters.dropped.Add(1) }
	if _, err := b.connection(nil); err != nil {
		return nil, err
	}
	return b, nil
}

// Open implements engine.Bridge. NATS need not be there.
func (b *Bridge) Open(r engine.BridgeReceiver) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.is(closed) || !b.is(unopened) {
		return errors.New("nats: bridge was opened before")
	}
	b.receiver = r
	b.set(starting)
	go b.run()
	go b.sort()
	go b.deliver()
	return nil
}

// Ready says whether messages go both ways now: NATS is there, and all that was subscribed to before it came back is
// subscribed to there. It is meant for a readiness probe: local traffic does not depend on it. Any goroutine; it never waits.
func (b *Bridge) Ready() bool { return b.is(up) }

// Interest implements engine.Bridge.
func (b *Bridge) Interest(pattern string, wanted bool) {
	b.mu.Lock()
	if wanted {
		b.wanted[pattern] = struct{}{}
	} else {
		delete(b.wanted, pattern)
	}
	if b.changed != nil {
		b.changed[pattern] = struct{}{}
	}
	b.mu.Unlock()
	b.nudge()
}

// Publish implements engine.Bridge. The error is ErrAway, ErrTooLong or ErrClosed.
func (b *Bridge) Publish(name string, op codec.Opcode, payload []byte) error {
	if int64(len(payload)) > b.longest.Load() {
		b.counters.tooLong.Add(1)
		return ErrTooLong
	}
	if err := b.accepts(); err != nil {
		return err
	}
	m := message{b.options.Prefix + name, seal(op, b.origin, payload)}
	size := messageOverhead + len(m.subject) + len(m.data)
	b.mu.Lock()
	if err := b.accepts(); err != nil { // it may have changed
		b.mu.Unlock()
		return err
	}
	b.sequence++
	setSequence(m.data, b.sequence)
	b.out.push(m, size)
	b.mu.Unlock()
	b.nudge()
	return nil
}

// accepts says why a message cannot be taken, and counts it then.
func (b *Bridge) accepts() error {
	switch state(b.state.Load()) {
	case starting, up:
		return nil
	case away:
		b.counters.missed.Add(1)
		return ErrAway
	}
	b.counters.missed.Add(1)
	return ErrClosed
}

// Close implements engine.Bridge. It sends what is queued if NATS takes it within Options.CloseTimeout; the error says what was lost.
// It must not be called by the receiver's Deliver or Gap.
func (b *Bridge) Close() error {
	b.mu.Lock()
	before := state(b.state.Load())
	b.set(closed)
	b.mu.Unlock()
	if before == closed {
		return nil
	}
	close(b.closing)
	if before == unopened {
		b.sockets.abort()
		return nil
	}
	giveUp := time.AfterFunc(b.options.CloseTimeout, b.sockets.abort)
	<-b.ended
	giveUp.Stop()
	b.sockets.abort()
	b.arrivals.stop()
	b.inbox.stop()
	if lost := b.drop(); lost > 0 {
		return fmt.Errorf("nats: %d messages were not sent", lost)
	}
	return nil
}

func (b *Bridge) is(s state) bool { return state(b.state.Load()) == s }

// set changes the state, which ends as closed. mu is held.
func (b *Bridge) set(s state) {
	if !b.is(closed) {
		b.state.Store(uint32(s))
	}
}

// nudge has the goroutine that talks to NATS look.
func (b *Bridge) nudge() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// drop forgets what is queued.
func (b *Bridge) drop() (lost int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	lost = b.out.clear()
	b.counters.missed.Add(uint64(lost))
	return lost
}

// refusedBy notes an error that NATS told, which does not end the connection.
func (b *Bridge) refusedBy(sub *client.Subscription, err error) {
	b.counters.errors.Add(1)
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	b.options.Logger.Error("wsloop: NATS", "subject", subject, "error", err)
}
