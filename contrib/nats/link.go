package nats

import (
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	client "github.com/nats-io/nats.go"
)

const (
	// A round takes no more than this: it has to be confirmed in time.
	roundPatterns = 1024
	roundBytes    = 256 << 10

	firstBackoff = 125 * time.Millisecond
)

var errSilent = errors.New("nats: no answer")

// link is a connection with NATS. It belongs to the goroutine of run.
type link struct {
	bridge *Bridge
	conn   *client.Conn
	gone   chan struct{} // closed when the connection has ended
	subs   map[string]*client.Subscription
	first  []string    // patterns that were wanted when the link was made, and are not subscribed to yet
	guard  *time.Timer // ends a round that takes too long
	idle   *time.Timer
	up     bool
	since  time.Time
}

// round is what is sent before NATS is asked to confirm.
type round struct {
	patterns []change
	messages []message
}

type change struct {
	pattern string
	wanted  bool
}

// run keeps a link with NATS until the bridge is closed.
func (b *Bridge) run() {
	defer close(b.ended)
	backoff := firstBackoff
	for {
		l, err := b.connect()
		if err == nil {
			err = l.talk()
			if l.up && time.Since(l.since) > b.options.Heartbeat {
				backoff = firstBackoff
			}
			l.close()
		} else {
			b.counters.failures.Add(1)
		}
		b.lost(err)
		pause := time.NewTimer(backoff/2 + rand.N(backoff/2))
		select {
		case <-b.closing:
			pause.Stop()
			return
		case <-pause.C:
		}
		backoff = min(2*backoff, b.options.MaxBackoff)
	}
}

// connect makes a link. It returns within the time that the client library allows for each of the addresses, or when the bridge gives up.
func (b *Bridge) connect() (*link, error) {
	l := &link{bridge: b, gone: make(chan struct{}), subs: make(map[string]*client.Subscription)}
	var once sync.Once
	options, err := b.connection(func() { once.Do(func() { close(l.gone) }) })
	if err != nil {
		return nil, err
	}
	if l.conn, err = options.Connect(); err != nil {
		return nil, err
	}
	b.longest.Store(min(int64(b.options.MaxMessageBytes), l.conn.MaxPayload()-EnvelopeBytes))
	l.guard = time.AfterFunc(time.Hour, b.sockets.close)
	l.guard.Stop()
	l.idle = time.NewTimer(b.options.Heartbeat)
	l.since = time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changed = make(map[string]struct{})
	l.first = slices.Collect(maps.Keys(b.wanted))
	return l, nil
}

// close ends the link. Nothing arrives on it any more.
func (l *link) close() {
	l.idle.Stop()
	l.bridge.sockets.close() // first, so that nothing waits for it
	if others := l.conn.DiscoveredServers(); len(others) > 0 {
		l.bridge.others = others
	}
	l.conn.Close()
}

// lost notes that there is no link. Nothing that is queued is sent when there is one again: it would come late.
func (b *Bridge) lost(err error) {
	b.mu.Lock()
	b.changed = nil
	b.subscribed.Store(0)
	news := !b.is(away) && !b.is(closed)
	b.set(away)
	b.mu.Unlock()
	if b.is(closed) {
		return // what is queued is the concern of Close
	}
	b.drop()
	b.hasGap = true
	if news {
		b.counters.outages.Add(1)
		b.options.Logger.Warn("wsloop: NATS is away", slog.Any("error", err))
	}
}

// found notes that a link is up: what is wanted is subscribed to, and NATS has confirmed it.
func (b *Bridge) found() {
	b.mu.Lock()
	b.set(up)
	b.mu.Unlock()
	if b.hasGap {
		b.hasGap = false
		b.arrivals.gap()
		b.options.Logger.Info("wsloop: NATS is there")
	}
}

// talk does rounds until the link has ended, or the bridge is closed and nothing is left to send. Those with nothing in them
// ask whether NATS is there.
func (l *link) talk() error {
	for {
		next, more := l.next()
		if more || !l.up {
			if err := l.do(next); err != nil {
				return err
			}
			if !l.up && len(l.first) == 0 {
				l.up = true
				l.bridge.found()
			}
			continue
		}
		l.idle.Reset(l.bridge.options.Heartbeat)
		select {
		case <-l.bridge.wake:
		case <-l.gone:
			return l.reason()
		case <-l.idle.C:
			if err := l.do(round{}); err != nil {
				return err
			}
		case <-l.bridge.closing:
			if next, more = l.next(); !more {
				return nil
			}
			if err := l.do(next); err != nil {
				return err
			}
		}
	}
}

// next takes what is to be sent now. Messages wait until all patterns are subscribed to for the first time.
func (l *link) next() (r round, more bool) {
	b := l.bridge
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(l.first) > 0 && len(r.patterns) < roundPatterns {
		last := len(l.first) - 1
		_, wanted := b.wanted[l.first[last]]
		r.patterns = append(r.patterns, change{l.first[last], wanted})
		l.first = l.first[:last]
	}
	for pattern := range b.changed {
		if len(r.patterns) >= roundPatterns {
			break
		}
		delete(b.changed, pattern)
		_, wanted := b.wanted[pattern]
		r.patterns = append(r.patterns, change{pattern, wanted})
	}
	if l.up {
		r.messages = b.out.take(nil, roundBytes)
	}
	return r, len(r.patterns)+len(r.messages) > 0
}

// do sends a round and waits until NATS has confirmed it. An error ends the link.
func (l *link) do(r round) error {
	b := l.bridge
	patience := b.options.patience()
	l.guard.Reset(patience) // the library may wait longer, for a lock or a socket
	defer l.guard.Stop()
	for _, c := range r.patterns {
		if err := l.subscribe(c); err != nil {
			b.counters.missed.Add(uint64(len(r.messages)))
			return l.because(err)
		}
	}
	sent := uint64(0)
	for i, m := range r.messages {
		switch err := l.conn.Publish(m.subject, m.data); {
		case err == nil:
			sent++
		case errors.Is(err, client.ErrBadSubject), errors.Is(err, client.ErrMaxPayload):
			b.counters.unsendable.Add(1)
		default:
			b.counters.unconfirmed.Add(sent + 1)
			b.counters.missed.Add(uint64(len(r.messages) - i - 1))
			return l.because(err)
		}
	}
	if err := l.conn.FlushTimeout(patience); err != nil {
		b.counters.unconfirmed.Add(sent)
		return l.because(err)
	}
	b.counters.carried.Add(sent)
	b.subscribed.Store(int64(len(l.subs)))
	return nil
}

// subscribe has NATS know whether a pattern is wanted.
func (l *link) subscribe(c change) (err error) {
	sub := l.subs[c.pattern]
	switch {
	case c.wanted && sub == nil:
		sub, err = l.conn.ChanSubscribe(l.bridge.options.Prefix+c.pattern, l.bridge.arrivals.messages)
		if errors.Is(err, client.ErrBadSubject) {
			l.bridge.refusedBy(nil, err)
			return nil
		}
		if err == nil {
			l.subs[c.pattern] = sub
		}
	case !c.wanted && sub != nil:
		delete(l.subs, c.pattern)
		err = sub.Unsubscribe()
	}
	return err
}

// because prefers what NATS or the system said to what the library made of it.
func (l *link) because(err error) error {
	if errors.Is(err, client.ErrTimeout) {
		return errSilent
	}
	if last := l.conn.LastError(); last != nil {
		return last
	}
	return err
}

// reason is why the connection ended.
func (l *link) reason() error { return l.because(client.ErrConnectionClosed) }

// nameOf is the topic of a subject.
func (b *Bridge) nameOf(subject string) (string, bool) {
	return strings.CutPrefix(subject, b.options.Prefix)
}
