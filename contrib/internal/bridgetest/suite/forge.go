package suite

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridge"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
)

// Forge makes the envelope of a message.
func Forge(origin, sequence uint64, payload string) string {
	return string(bridge.Seal(codec.OpcodeText, origin, sequence, []byte(payload)))
}

// Refused injects what no bridge sends.
func (k Kind) Refused(t *testing.T) {
	s := k.Start(t, 101<<20)
	b, got := k.open(t, "b", Options{URL: s.URL()}, ">")
	Await(t, s, "b", 1)
	send := func(data string) { s.Publish(t, "wsloop.a", data) }
	send("")
	send("hello")
	send("\x02" + Forge(1, 1, "x")[1:])     // version
	send("\x01\x08" + Forge(1, 2, "x")[2:]) // opcode
	send(Forge(1, 3, strings.Repeat("x", bridge.DefaultMaxMessageBytes+1)))
	send(Forge(1, 4, strings.Repeat("x", 100<<20)))
	send(Forge(b.Origin(), 5, "echo"))
	send(Forge(1, 6, "good"))
	bridgetest.Eventually(t, "the good one", func() bool { return b.Stats().Received == 1 && got.Last() == "a good" })
	if st := b.Stats(); st.Refused != 6 || st.Echoes != 1 || st.Received != 1 || st.Outages != 0 {
		t.Errorf("%+v", st)
	}
	got.Refuse(errors.New("no"))
	send(Forge(1, 7, "bad"))
	bridgetest.Eventually(t, "what the receiver refuses is counted", func() bool { return b.Stats().Refused == 7 })
}

// NodesForeign injects messages into the broker that no client could send: no client sees them, and none is closed.
func (k Kind) NodesForeign(t *testing.T) {
	s := k.Start(t, 101<<20)
	b := k.node(t, "b", s.URL())
	p := bridgetest.Join(t, b.URL, ">")
	Await(t, s, "b", 1)
	for i, payload := range []string{"\xff", strings.Repeat("x", 100<<20), "cut \xe2\x82", "good"} {
		s.Publish(t, "wsloop.x", Forge(1, uint64(i+1), payload))
	}
	names := append([]string{strings.Repeat("x", 300)}, k.OddNames...)
	for i, name := range names {
		s.Publish(t, "wsloop."+name, Forge(1, uint64(i+9), "no topic"))
	}
	s.Publish(t, "wsloop.x", Forge(1, uint64(len(names)+9), "better"))
	bridgetest.Eventually(t, "the good ones", func() bool { return p.Count() == 2 })
	foreign := uint64(2 + len(names))
	if !slices.Equal(p.All(), []string{"good", "better"}) || b.bridge.Stats().Refused != foreign+1 || b.Stats().Foreign != foreign || b.Stats().Connections != 1 {
		t.Errorf("%.100q %+v", p.All(), b.bridge.Stats())
	}
}
