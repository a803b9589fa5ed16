package nats

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
	"github.com/wsloop/wsloop/contrib/nats/internal/natstest"
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
	s := natstest.Broker(t, nil)
	a, b, c := newNode(t, "a", s.ClientURL()), newNode(t, "b", s.ClientURL()), newNode(t, "c", s.ClientURL())
	patterns := []string{"room.1", "room.*", ">"}
	var peers []*bridgetest.Peer
	for _, n := range []node{a, b} {
		peers = append(peers, bridgetest.Join(t, n.URL, patterns...), bridgetest.Join(t, n.URL, patterns...))
	}
	other := bridgetest.Join(t, c.URL, "elsewhere")
	awaitSubscriptions(t, s, "a", 3)
	awaitSubscriptions(t, s, "b", 3)
	awaitSubscriptions(t, s, "c", 1)
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
	if _, sent := known(t, s, "c"); sent != 0 || other.Count() != 0 {
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
	g := bridgetest.NewGate(t, s.Addr().String())
	retained := engine.Topic{Pattern: "price.*", Retain: true}
	a, b := newNode(t, "a", "nats://"+g.Address(), retained), newNode(t, "b", "nats://"+g.Address(), retained)
	here, there := bridgetest.Join(t, a.URL, "x"), bridgetest.Join(t, b.URL, "x", "*")
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
	bridgetest.Eventually(t, "messages there", func() bool { return there.Count() == 100 })
	g.Set(bridgetest.Faults{})
	natstest.Stop(s)
	bridgetest.Eventually(t, "both are away", func() bool { return !a.bridge.Ready() && !b.bridge.Ready() })
	send(100, 200)
	bridgetest.Eventually(t, "messages here", func() bool { return here.Count() == 200 })
	if st := a.Stats(); st.Uncarried != 100 || st.Connections != 1 {
		t.Errorf("%+v", st)
	}
	again := natstest.Broker(t, nil)
	g.Set(bridgetest.Faults{Target: again.Addr().String()})
	bridgetest.Eventually(t, "the gap is told", func() bool { return a.Gaps.Load() == 1 && b.Gaps.Load() == 1 && b.Stats().Gaps == 1 })
	send(200, 300)
	a.Publish("price.gold", codec.OpcodeText, []byte("2400"))
	bridgetest.Eventually(t, "messages on both", func() bool { return here.Count() == 300 && there.Count() == 200 })
	if !slices.Equal(here.All(), bridgetest.Texts(0, 300)) || !slices.Equal(there.All(), append(bridgetest.Texts(0, 100), bridgetest.Texts(200, 300)...)) {
		t.Errorf("%d here, %d there", here.Count(), there.Count())
	}
	bridgetest.Eventually(t, "a price for who comes late", func() bool { return slices.Contains(bridgetest.Join(t, b.URL, "price.gold").All(), "2400") })
}

// TestNodesForeign injects messages into NATS that no client could send: no client sees them, and none is closed.
func TestNodesForeign(t *testing.T) {
	s := natstest.Broker(t, func(o *server.Options) {
		o.MaxPayload, o.MaxPending, o.WriteDeadline = 101<<20, 256<<20, bridgetest.Patience
	})
	b := newNode(t, "b", s.ClientURL())
	p := bridgetest.Join(t, b.URL, ">")
	awaitSubscriptions(t, s, "b", 1)
	c := raw(t, s)
	for i, payload := range []string{"\xff", strings.Repeat("x", 100<<20), "cut \xe2\x82", "good"} {
		if err := c.Publish("wsloop.x", forge(1, uint64(i+1), payload)); err != nil {
			t.Fatal(err)
		}
	}
	c.Publish("wsloop."+strings.Repeat("x", 300), forge(1, 9, "name too long"))
	c.Publish("wsloop.x", forge(1, 10, "better"))
	bridgetest.Eventually(t, "the good ones", func() bool { return p.Count() == 2 })
	if !slices.Equal(p.All(), []string{"good", "better"}) || b.bridge.Stats().Refused != 4 || b.Stats().Foreign != 3 || b.Stats().Connections != 1 {
		t.Errorf("%.100q %+v", p.All(), b.bridge.Stats())
	}
}
