package engine

import (
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// A message costs a few allocations, however many get it: what it is encoded in.
func TestPublishAllocations(t *testing.T) {
	if raceBuild {
		t.Skip("pools forget on purpose under the race detector")
	}
	tr := newTrace()
	s := &Server{Events: tr.events()}
	m := newMemory(t, s)
	for i := range 5000 {
		c := m.conn(tr)
		subscribe(t, c, "all", []string{"a.*", "a.>"}[i%2])
	}
	payload := make([]byte, 125)
	for _, name := range []string{"all", "a.b"} {
		if n := testing.AllocsPerRun(20, func() {
			if p, err := s.Publish(name, codec.OpcodeBinary, payload); err != nil || p.Sent != 5000 {
				t.Fatalf("%+v %v", p, err)
			}
			m.turn()
			for i := range m.conns {
				m.conns[i].out = m.conns[i].out[:0]
			}
		}); n > 4 {
			t.Errorf("%s: %v allocations for 5000 deliveries", name, n)
		}
	}
}
