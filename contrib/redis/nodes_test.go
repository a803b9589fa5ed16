package redis

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
	"github.com/wsloop/wsloop/engine"
)

// node is a server with a bridge.
type node struct {
	*bridgetest.Node
	bridge *Bridge
}

func newNode(t *testing.T, name, url string, topics ...engine.Topic) node {
	t.Helper()
	b, err := New(calm(Options{URL: url, Name: name}))
	if err != nil {
		t.Fatal(err)
	}
	return node{bridgetest.NewNode(t, b, topics...), b}
}

// TestNodes has clients of three servers talk to each other.
func TestNodes(t *testing.T) {
	s := start(t)
	a, b, c := newNode(t, "a", s.url()), newNode(t, "b", s.url()), newNode(t, "c", s.url())
	patterns := []string{"room.1", "room.*", ">"}
	var peers []*bridgetest.Peer
	for _, n := range []node{a, b} {
		peers = append(peers, bridgetest.Join(t, n.URL, patterns...), bridgetest.Join(t, n.URL, patterns...))
	}
	other := bridgetest.Join(t, c.URL, "elsewhere")
	s.await(t, "a", 3)
	s.await(t, "b", 3)
	s.await(t, "c", 1)
	const n = 500
	for i := range n { // by a client of a, who does not get it
		peers[0].Send(codec.OpcodeText, fmt.Appendf(nil, "room.1 %d", i))
	}
	for _, p := range peers[1:] {
		bridgetest.Eventually(t, "all messages", func() bool { return p.Count() >= n })
	}
	for i := range n {
		if _, err := c.Publish("room.1", codec.OpcodeText, fmt.Append(nil, n+i)); err != nil {
			t.Fatal(err)
		}
	}
	for i, p := range peers {
		want := bridgetest.Texts(0, 2*n)
		if i == 0 {
			want = want[n:]
		}
		bridgetest.Eventually(t, "all messages of the server", func() bool { return p.Count() >= len(want) })
		if !slices.Equal(p.All(), want) {
			t.Errorf("peer %d has %d messages, not each once and in order", i, p.Count())
		}
	}
	if st := c.bridge.Stats(); other.Count() != 0 || st.Received+st.Unwanted+st.Duplicates+st.Echoes != 0 {
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
	here, there := bridgetest.Join(t, a.URL, "x"), bridgetest.Join(t, b.URL, "x", "*")
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
	bridgetest.Eventually(t, "messages there", func() bool { return there.Count() == 100 })
	g.Set(bridgetest.Faults{})
	s.kill()
	bridgetest.Eventually(t, "both are away", func() bool { return !a.bridge.Ready() && !b.bridge.Ready() })
	send(100, 200)
	bridgetest.Eventually(t, "messages here", func() bool { return here.Count() == 200 })
	if st := a.Stats(); st.Uncarried != 100 || st.Connections != 1 {
		t.Errorf("%+v", st)
	}
	g.Set(bridgetest.Faults{Target: start(t).path})
	bridgetest.Eventually(t, "the gap is told", func() bool { return a.Gaps.Load() == 1 && b.Gaps.Load() == 1 && b.Stats().Gaps == 1 })
	send(200, 300)
	a.Publish("price.gold", codec.OpcodeText, []byte("2400"))
	bridgetest.Eventually(t, "messages on both", func() bool { return here.Count() == 300 && there.Count() == 200 })
	if !slices.Equal(here.All(), bridgetest.Texts(0, 300)) || !slices.Equal(there.All(), append(bridgetest.Texts(0, 100), bridgetest.Texts(200, 300)...)) {
		t.Errorf("%d here, %d there", here.Count(), there.Count())
	}
	bridgetest.Eventually(t, "a price for who comes late", func() bool { return slices.Contains(bridgetest.Join(t, b.URL, "price.gold").All(), "2400") })
}

// TestNodesForeign injects messages into Redis that no client could send: no client sees them, and none is closed.
func TestNodesForeign(t *testing.T) {
	s := start(t, "--client-output-buffer-limit", "pubsub 256mb 256mb 0")
	b := newNode(t, "b", s.url())
	p := bridgetest.Join(t, b.URL, ">")
	s.await(t, "b", 1)
	for i, payload := range []string{"\xff", strings.Repeat("x", 100<<20), "cut \xe2\x82", "good"} {
		s.publish(t, "wsloop.x", forge(1, uint64(i+1), payload))
	}
	s.publish(t, "wsloop."+strings.Repeat("x", 300), forge(1, 9, "name too long"))
	s.publish(t, "wsloop.a..b", forge(1, 10, "an empty token"))
	s.publish(t, "wsloop.a\r\nb.\xff", forge(1, 11, "no UTF-8"))
	s.publish(t, "wsloop.x", forge(1, 12, "better"))
	bridgetest.Eventually(t, "the good ones", func() bool { return p.Count() == 2 })
	if !slices.Equal(p.All(), []string{"good", "better"}) || b.bridge.Stats().Refused != 6 || b.Stats().Foreign != 5 || b.Stats().Connections != 1 {
		t.Errorf("%.100q %+v", p.All(), b.bridge.Stats())
	}
}
