package suite

import (
	"fmt"
	"slices"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridge"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
	"github.com/wsloop/wsloop/engine"
)

// node is a server with a bridge.
type node struct {
	*bridgetest.Node
	bridge Bridge
}

// node runs a server whose bridge has the timeouts of users.
func (k Kind) node(t *testing.T, name, url string, topics ...engine.Topic) node {
	t.Helper()
	o := Options{URL: url, Name: name, MaxBackoff: bridge.DefaultMaxBackoff, CloseTimeout: bridge.DefaultCloseTimeout}
	b := k.New(t, o)
	return node{bridgetest.NewNode(t, b, topics...), b}
}

// Nodes has clients of three servers talk to each other. The broker is returned for what only some can tell.
func (k Kind) Nodes(t *testing.T) Broker {
	s := k.Start(t, 0)
	a, b, c := k.node(t, "a", s.URL()), k.node(t, "b", s.URL()), k.node(t, "c", s.URL())
	patterns := []string{"room.1", "room.*", ">"}
	var peers []*bridgetest.Peer
	for _, n := range []node{a, b} {
		peers = append(peers, bridgetest.Join(t, n.URL, patterns...), bridgetest.Join(t, n.URL, patterns...))
	}
	other := bridgetest.Join(t, c.URL, "elsewhere")
	Await(t, s, "a", 3)
	Await(t, s, "b", 3)
	Await(t, s, "c", 1)
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
		t.Errorf("the broker sent what nobody there wants: %+v", st)
	}
	for _, p := range peers {
		p.Close(codec.StatusNormalClosure, "")
	}
	Await(t, s, "a", 0) // what nobody wants any more
	Await(t, s, "b", 0)
	return s
}

// NodesAlone has the broker die under clients: none is closed, and those of one server go on among themselves.
func (k Kind) NodesAlone(t *testing.T) {
	s := k.Start(t, 0)
	g := bridgetest.NewGate(t, s.Address())
	retained := engine.Topic{Pattern: "price.*", Retain: true}
	a, b := k.node(t, "a", g.Address(), retained), k.node(t, "b", g.Address(), retained)
	here, there := bridgetest.Join(t, a.URL, "x"), bridgetest.Join(t, b.URL, "x", "*")
	Await(t, s, "a", 2) // price.* without a subscriber
	Await(t, s, "b", 3)
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
	s.Stop()
	bridgetest.Eventually(t, "both are away", func() bool { return !a.bridge.Ready() && !b.bridge.Ready() })
	send(100, 200)
	bridgetest.Eventually(t, "messages here", func() bool { return here.Count() == 200 })
	if st := a.Stats(); st.Uncarried != 100 || st.Connections != 1 {
		t.Errorf("%+v", st)
	}
	again := k.Start(t, 0)
	g.Set(bridgetest.Faults{Target: again.Address()})
	bridgetest.Eventually(t, "the gap is told", func() bool { return a.Gaps.Load() == 1 && b.Gaps.Load() == 1 && b.Stats().Gaps == 1 })
	send(200, 300)
	a.Publish("price.gold", codec.OpcodeText, []byte("2400"))
	bridgetest.Eventually(t, "messages on both", func() bool { return here.Count() == 300 && there.Count() == 200 })
	if !slices.Equal(here.All(), bridgetest.Texts(0, 300)) || !slices.Equal(there.All(), append(bridgetest.Texts(0, 100), bridgetest.Texts(200, 300)...)) {
		t.Errorf("%d here, %d there", here.Count(), there.Count())
	}
	bridgetest.Eventually(t, "a price for who comes late", func() bool { return slices.Contains(bridgetest.Join(t, b.URL, "price.gold").All(), "2400") })
}
