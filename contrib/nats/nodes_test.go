package nats

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/nats/internal/natstest"
	"github.com/wsloop/wsloop/engine"
)

// node is a server with a bridge. Its clients subscribe to what they send.
type node struct {
	*engine.Server
	bridge *Bridge
	url    string
	gaps   atomic.Int64
}

func newNode(t *testing.T, name, url string, topics ...engine.Topic) *node {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	b, err := New(Options{URL: url, Name: name, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{bridge: b}
	n.Server = &engine.Server{Loops: 2, Bridge: b, BridgeGap: func() { n.gaps.Add(1) }, Topics: topics, Logger: quiet, Events: engine.Events{
		Message: func(c engine.Conn, op codec.Opcode, payload []byte) {
			topic, text, publish := strings.Cut(string(payload), " ")
			if publish {
				c.Publish(topic, op, []byte(text))
				return
			}
			c.Subscribe(topic)
			c.Send(codec.OpcodeBinary, nil) // done
		},
	}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(ln); err != nil {
		t.Fatal(err)
	}
	n.url = "ws://" + ln.Addr().String() + "/"
	t.Cleanup(func() { n.Close() })
	return n
}

// peer is a client that notes what it gets.
type peer struct {
	engine.Conn
	mu       sync.Mutex
	messages []string
	done     chan struct{} // subscribed
}

// dial connects a client, and subscribes it.
func dial(t *testing.T, url string, patterns ...string) *peer {
	t.Helper()
	p := &peer{done: make(chan struct{}, 1)}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := engine.Dial(ctx, url, engine.Events{Message: func(_ engine.Conn, op codec.Opcode, payload []byte) {
		if op == codec.OpcodeBinary {
			p.done <- struct{}{}
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.messages = append(p.messages, string(payload))
	}})
	if err != nil {
		t.Fatal(err)
	}
	p.Conn = c
	t.Cleanup(func() { c.Close(codec.StatusNormalClosure, "") })
	for _, pattern := range patterns {
		c.Send(codec.OpcodeText, []byte(pattern))
		<-p.done
	}
	return p
}

func (p *peer) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.messages)
}

func (p *peer) count() int { return len(p.all()) }

func texts(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

// TestNodes has clients of three servers talk to each other.
func TestNodes(t *testing.T) {
	s := natstest.Broker(t, nil)
	a, b, c := newNode(t, "a", s.ClientURL()), newNode(t, "b", s.ClientURL()), newNode(t, "c", s.ClientURL())
	patterns := []string{"room.1", "room.*", ">"}
	var peers []*peer
	for _, n := range []*node{a, b} {
		peers = append(peers, dial(t, n.url, patterns...), dial(t, n.url, patterns...))
	}
	other := dial(t, c.url, "elsewhere")
	awaitSubscriptions(t, s, "a", 3)
	awaitSubscriptions(t, s, "b", 3)
	awaitSubscriptions(t, s, "c", 1)
	const n = 500
	for i := range n { // by a client of a, who does not get it
		peers[0].Send(codec.OpcodeText, fmt.Appendf(nil, "room.1 %d", i))
	}
	for _, p := range peers[1:] {
		eventually(t, "all messages", func() bool { return p.count() >= n })
	}
	for i := range n {
		if _, err := c.Publish("room.1", codec.OpcodeText, fmt.Append(nil, n+i)); err != nil {
			t.Fatal(err)
		}
	}
	for i, p := range peers {
		want := texts(0, 2*n)
		if i == 0 {
			want = want[n:]
		}
		eventually(t, "all messages of the server", func() bool { return p.count() >= len(want) })
		if !slices.Equal(p.all(), want) {
			t.Errorf("peer %d has %d messages, not each once and in order", i, p.count())
		}
	}
	if _, sent := known(t, s, "c"); sent != 0 || other.count() != 0 {
		t.Errorf("NATS sent %d messages that nobody there wants", sent)
	}
	for _, p := range peers {
		p.Close(codec.StatusNormalClosure, "")
	}
	awaitSubscriptions(t, s, "a", 0) // what nobody wants any more
	awaitSubscriptions(t, s, "b", 0)
}

// TestNodesAlone has NATS die under clients: none is closed, and those of one server go on among themselves.
func TestNodesAlone(t *testing.T) {
	s := natstest.Broker(t, nil)
	g := natstest.NewGate(t, s.Addr().String())
	retained := engine.Topic{Pattern: "price.*", Retain: true}
	a, b := newNode(t, "a", g.URL(), retained), newNode(t, "b", g.URL(), retained)
	here, there := dial(t, a.url, "x"), dial(t, b.url, "x", "*")
	awaitSubscriptions(t, s, "a", 2) // price.* without a subscriber
	awaitSubscriptions(t, s, "b", 3)
	send := func(from, to int) {
		for i := from; i < to; i++ {
			if _, err := a.Publish("x", codec.OpcodeText, fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(0, 100)
	eventually(t, "messages there", func() bool { return there.count() == 100 })
	g.Set(natstest.Faults{})
	natstest.Stop(s)
	eventually(t, "both are away", func() bool { return !a.bridge.Ready() && !b.bridge.Ready() })
	send(100, 200)
	eventually(t, "messages here", func() bool { return here.count() == 200 })
	if st := a.Stats(); st.Uncarried != 100 || st.Connections != 1 {
		t.Errorf("%+v", st)
	}
	again := natstest.Broker(t, nil)
	g.Set(natstest.Faults{Target: again.Addr().String()})
	eventually(t, "the gap is told", func() bool { return a.gaps.Load() == 1 && b.gaps.Load() == 1 && b.Stats().Gaps == 1 })
	send(200, 300)
	a.Publish("price.gold", codec.OpcodeText, []byte("2400"))
	eventually(t, "messages on both", func() bool { return here.count() == 300 && there.count() == 200 })
	if !slices.Equal(here.all(), texts(0, 300)) || !slices.Equal(there.all(), append(texts(0, 100), texts(200, 300)...)) {
		t.Errorf("%d here, %d there", here.count(), there.count())
	}
	eventually(t, "a price for who comes late", func() bool { return slices.Contains(dial(t, b.url, "price.gold").all(), "2400") })
}

// TestNodesForeign injects messages into NATS that no client could send: no client sees them, and none is closed.
func TestNodesForeign(t *testing.T) {
	s := natstest.Broker(t, func(o *server.Options) { o.MaxPayload, o.MaxPending = 101<<20, 256<<20 })
	b := newNode(t, "b", s.ClientURL())
	p := dial(t, b.url, ">")
	awaitSubscriptions(t, s, "b", 1)
	c := raw(t, s)
	for i, payload := range []string{"\xff", strings.Repeat("x", 100<<20), "cut \xe2\x82", "good"} {
		if err := c.Publish("wsloop.x", forge(1, uint64(i+1), payload)); err != nil {
			t.Fatal(err)
		}
	}
	c.Publish("wsloop."+strings.Repeat("x", 300), forge(1, 9, "name too long"))
	c.Publish("wsloop.x", forge(1, 10, "better"))
	eventually(t, "the good ones", func() bool { return p.count() == 2 })
	if !slices.Equal(p.all(), []string{"good", "better"}) || b.bridge.Stats().Refused != 4 || b.Stats().Foreign != 3 || b.Stats().Connections != 1 {
		t.Errorf("%.100q %+v", p.all(), b.bridge.Stats())
	}
}
