package bridge

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
)

var errDown = errors.New("down")

// hub is a broker in memory, of exact names. Its faults hold for all of its clients.
type hub struct {
	mu     sync.Mutex
	down   bool // no link, and those that were are gone
	silent bool // rounds wait
	refuse map[string]bool
	links  map[*hubLink]bool
	rounds int
}

// hubClient is a Broker.
type hubClient struct {
	hub    *hub
	bridge *Bridge
}

type hubLink struct {
	client *hubClient
	subs   map[string]bool
	gone   chan struct{}
}

func newHub() *hub { return &hub{refuse: make(map[string]bool), links: make(map[*hubLink]bool)} }

// set changes the faults.
func (h *hub) set(down, silent bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down, h.silent = down, silent
	if down {
		for l := range h.links {
			close(l.gone)
			delete(h.links, l)
		}
	}
}

func (c *hubClient) Connect(ctx context.Context) (Link, error) {
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	if c.hub.down {
		return nil, errDown
	}
	l := &hubLink{client: c, subs: make(map[string]bool), gone: make(chan struct{})}
	c.hub.links[l] = true
	return l, nil
}

func (l *hubLink) Do(ctx context.Context, r *Round) error {
	h := l.client.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rounds++
	if h.silent {
		h.mu.Unlock()
		<-ctx.Done()
		h.mu.Lock()
		for i := range r.Messages {
			r.Messages[i].Fate = Unconfirmed
		}
		return ctx.Err()
	}
	if !h.links[l] {
		return errDown
	}
	for i := range r.Changes {
		if c := &r.Changes[i]; h.refuse[c.Pattern] {
			c.Refused = errors.New("no")
		} else {
			l.subs[c.Pattern] = c.Wanted
		}
	}
	for i := range r.Messages {
		m := &r.Messages[i]
		m.Fate = Carried
		if h.refuse[m.Name] {
			m.Fate = Unsendable
		}
		for other := range h.links {
			if other.subs[m.Name] && m.Fate == Carried {
				other.client.bridge.Receive(m.Name, m.Data)
				other.client.bridge.Receive(m.Name, m.Data) // a copy
			}
		}
	}
	return nil
}

func (l *hubLink) Gone() <-chan struct{} { return l.gone }

func (l *hubLink) Reason() error { return errDown }

func (l *hubLink) Close() {
	l.client.hub.mu.Lock()
	defer l.client.hub.mu.Unlock()
	delete(l.client.hub.links, l)
}

// opened makes a bridge and opens it, and closes it at the end of the test.
func (h *hub) opened(t *testing.T, o Options, patterns ...string) (*Bridge, *bridgetest.Recorder) {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	if o.MaxBackoff == 0 {
		o.MaxBackoff = 10 * time.Millisecond
	}
	if o.CloseTimeout == 0 {
		o.CloseTimeout = 50 * time.Millisecond
	}
	o, err := o.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	c := &hubClient{hub: h}
	b := New(o, c)
	c.bridge = b
	for _, pattern := range patterns {
		b.Interest(pattern, true)
	}
	r := new(bridgetest.Recorder)
	if err := b.Open(r); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, r
}

func forge(origin, sequence uint64, payload string) []byte {
	return Seal(codec.OpcodeText, origin, sequence, []byte(payload))
}

// sums is how many messages that were published here are counted.
func sums(b *Bridge) uint64 {
	s := b.Stats()
	return s.Carried + s.Unconfirmed + s.Missed + s.Dropped + s.TooLong + s.Unsendable
}
