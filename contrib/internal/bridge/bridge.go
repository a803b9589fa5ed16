package bridge

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// Errors of Publish. The message was dropped and counted.
var (
	ErrAway    = errors.New("bridge: the broker is away")
	ErrClosed  = errors.New("bridge: not open")
	ErrTooLong = errors.New("bridge: message is too long")
)

// Bridge is an engine.Bridge over a Broker. It may be opened once.
type Bridge struct {
	options    Options
	broker     Broker
	origin     uint64
	receiver   engine.BridgeReceiver
	counters   counters
	state      atomic.Uint32 // a state; changed under mu
	longest    atomic.Int64  // payload that may be published, in bytes
	subscribed atomic.Int64  // what the broker has confirmed

	mu       sync.Mutex
	sequence uint64
	out      queue[Message]
	wanted   map[string]struct{}
	changed  map[string]struct{} // patterns whose subscription may not be what is wanted; nil without a link

	wake    chan struct{} // something is in out or changed
	closing chan struct{}
	ended   chan struct{}   // closed when the goroutine that talks is done
	ctx     context.Context // of that goroutine
	giveUp  context.CancelFunc
	hasGap  bool // to be told once the broker is back; of that goroutine

	known origins // of the goroutine that calls Receive
	inbox inbox
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

// New makes a bridge. It does not connect before Open. The options come from WithDefaults.
func New(options Options, broker Broker) *Bridge {
	var id [8]byte
	rand.Read(id[:]) // never fails
	b := &Bridge{
		options: options,
		broker:  broker,
		origin:  binary.BigEndian.Uint64(id[:]),
		out:     queue[Message]{mostItems: options.MaxQueued, mostBytes: options.MaxQueuedBytes},
		wanted:  make(map[string]struct{}),
		wake:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		ended:   make(chan struct{}),
		known:   origins{most: maxOrigins},
	}
	b.options.Logger = options.Logger.With(slog.String("broker", options.Broker))
	b.longest.Store(int64(options.MaxMessageBytes))
	b.ctx, b.giveUp = context.WithCancel(context.Background())
	b.inbox.init(options, &b.counters)
	b.out.dropped = func(Message) { b.counters.dropped.Add(1) }
	return b
}

// Origin is the number of this bridge in envelopes.
func (b *Bridge) Origin() uint64 { return b.origin }

// Open implements engine.Bridge. The broker need not be there.
func (b *Bridge) Open(r engine.BridgeReceiver) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.is(unopened) {
		return errors.New("bridge: was opened or closed before")
	}
	b.receiver = r
	b.set(starting)
	go b.run()
	go b.deliver()
	return nil
}

// Ready says whether messages go both ways now: the broker is there, and has confirmed all subscriptions that were wanted
// when it came back. Any goroutine; it never waits.
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
	m := Message{Name: name, Data: Seal(op, b.origin, 0, payload)}
	size := messageOverhead + len(name) + len(m.Data)
	b.mu.Lock()
	if err := b.accepts(); err != nil { // it may have changed
		b.mu.Unlock()
		return err
	}
	b.sequence++
	setSequence(m.Data, b.sequence)
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

// Close implements engine.Bridge. It sends what is queued if the broker takes it within Options.CloseTimeout; the error says what was
// lost. It must not be called by the receiver's Deliver or Gap.
func (b *Bridge) Close() error {
	b.mu.Lock()
	before := state(b.state.Load())
	b.set(closed)
	b.mu.Unlock()
	if before == closed {
		return nil
	}
	defer b.giveUp()
	close(b.closing)
	if before == unopened {
		return nil
	}
	timeout := time.AfterFunc(b.options.CloseTimeout, b.giveUp)
	<-b.ended
	timeout.Stop()
	b.inbox.stop()
	if lost := b.drop(); lost > 0 {
		return fmt.Errorf("bridge: %d messages were not sent", lost)
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

// nudge has the goroutine that talks look.
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

// Limit says how long a message the broker takes, in bytes and with its envelope. Broker.Connect calls it if there is such a limit. What is
// published from then on and would be longer is refused as ErrTooLong.
func (b *Bridge) Limit(messageBytes int64) {
	b.longest.Store(min(int64(b.options.MaxMessageBytes), messageBytes-EnvelopeBytes))
}

// Complain notes what a broker refused without ending the link. Any goroutine.
func (b *Bridge) Complain(what string, err error) {
	b.counters.errors.Add(1)
	b.options.Logger.Error("wsloop: refused by the broker", slog.String("what", what), slog.Any("error", err))
}
