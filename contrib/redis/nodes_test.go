package redis

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

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
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

// join connects a client, and subscribes it.
func join(t *testing.T, url string, patterns ...string) *peer {
	t.Helper()
	p := &peer{done: make(chan struct{}, 1)}
	ctx, cancel := context.WithTimeout(t.Context(), bridgetest.Patience)
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

func texts(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

// TestNodes has clients of three servers talk to each other.
func TestNodes(t *testing.T) {
	s := start(t)
	a, b, c := newNode(t, "a", s.url()), newNode(t, "b", s.url()), newNode(t, "c", s.url())
	patterns := []string{"room.1", "room.*", ">"}
	var peers []*peer
	for _, n := range []*node{a, b} {
		peers = append(peers, join(t, n.url, patterns...), join(t, n.url, patterns...))
	}
	other := join(t, c.url, "elsewhere")
	s.await(t, "a", 3)
	s.await(t, "b", 3)
	s.await(t, "c", 1)
	const n = 500
	for i := range n { // by a client of a, who does not get it
		peers[0].Send(codec.OpcodeText, fmt.Appendf(nil, "room.1 %d", i))
	}
	for _, p := range peers[1:] {
		bridgetest.Eventually(t, "all messages", func() bool { return len(p.all()) >= n })
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
		bridgetest.Eventually(t, "all messages of the server", func() bool { return len(p.all()) >= len(want) })
		if !slices.Equal(p.all(), want) {
			t.Errorf("peer %d has %d messages, not each once and in order", i, len(p.all()))
		}
	}
	if st := c.bridge.Stats(); len(other.all()) != 0 || st.Received+st.Unwanted+st.Duplicates+st.Echoes != 0 {
		t.Errorf("Redis sent what nobody there wants: %+v", st)
	}
	for _, p := range peers {
		p.Close(codec.StatusNormalClosure, "")
	}
	s.await(t, "a", 0) // what nobody wants any more
	s.await(t, "b", 0)
}

// TestNodesAlone has Redis die under clients: none is closed, and those of one server go on among themselves.
func TestNodesAlone(t *testing.T) {
	s := start(t)
	g := bridgetest.NewGate(t, s.path)
	retained := engine.Topic{Pattern: "price.*", Retain: true}
	a, b := newNode(t, "a", g.Address(), retained), newNode(t, "b", g.Address(), retained)
	here, there := join(t, a.url, "x"), join(t, b.url, "x", "*")
	s.await(t, "a", 2) // price.* without a subscriber
	s.await(t, "b", 3)
	send := func(from, to int) {
		for i := from; i < to; i++ {
			if _, err := a.Publish("x", codec.OpcodeText, fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(0, 100)
	bridgetest.Eventually(t, "messages there", func() bool { return len(there.all()) == 100 })
	g.Set(bridgetest.Faults{})
	s.kill()
	bridgetest.Eventually(t, "both are away", func() bool { return !a.bridge.Ready() && !b.bridge.Ready() })
	send(100, 200)
	bridgetest.Eventually(t, "messages here", func() bool { return len(here.all()) == 200 })
	if st := a.Stats(); st.Uncarried != 100 || st.Connections != 1 {
		t.Errorf("%+v", st)
	}
	g.Set(bridgetest.Faults{Target: start(t).path})
	bridgetest.Eventually(t, "the gap is told", func() bool { return a.gaps.Load() == 1 && b.gaps.Load() == 1 && b.Stats().Gaps == 1 })
	send(200, 300)
	a.Publish("price.gold", codec.OpcodeText, []byte("2400"))
	bridgetest.Eventually(t, "messages on both", func() bool { return len(here.all()) == 300 && len(there.all()) == 200 })
	if !slices.Equal(here.all(), texts(0, 300)) || !slices.Equal(there.all(), append(texts(0, 100), texts(200, 300)...)) {
		t.Errorf("%d here, %d there", len(here.all()), len(there.all()))
	}
	bridgetest.Eventually(t, "a price for who comes late", func() bool { return slices.Contains(join(t, b.url, "price.gold").all(), "2400") })
}

// TestNodesForeign injects messages into Redis that no client could send: no client sees them, and none is closed.
func TestNodesForeign(t *testing.T) {
	s := start(t, "--client-output-buffer-limit", "pubsub 256mb 256mb 0")
	b := newNode(t, "b", s.url())
	p := join(t, b.url, ">")
	s.await(t, "b", 1)
	for i, payload := range []string{"\xff", strings.Repeat("x", 100<<20), "cut \xe2\x82", "good"} {
		s.publish(t, "wsloop.x", forge(1, uint64(i+1), payload))
	}
	s.publish(t, "wsloop."+strings.Repeat("x", 300), forge(1, 9, "name too long"))
	s.publish(t, "wsloop.a..b", forge(1, 10, "an empty token"))
	s.publish(t, "wsloop.a\r\nb.\xff", forge(1, 11, "no UTF-8"))
	s.publish(t, "wsloop.x", forge(1, 12, "better"))
	bridgetest.Eventually(t, "the good ones", func() bool { return len(p.all()) == 2 })
	if !slices.Equal(p.all(), []string{"good", "better"}) || b.bridge.Stats().Refused != 6 || b.Stats().Foreign != 5 || b.Stats().Connections != 1 {
		t.Errorf("%.100q %+v", p.all(), b.bridge.Stats())
	}
}
