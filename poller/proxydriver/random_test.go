//go:build linux || darwin || freebsd

package proxydriver_test

import (
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/proxydriver"
	"github.com/wsloop/wsloop/poller/sim"
)

var seedFlag = flag.Uint64("seed", 0, "run this seed of TestRandom alone")

// peer is what a script knows of one connection. Its number stands in the port of its client and in its data.
type peer struct {
	*sim.Peer
	number int
	head   []byte // of a header that is to be accepted; nil if the connection must not be opened
	direct bool   // it is served without a header
	left   []byte // to be sent
	data   []byte // what the handler is to get
}

// TestRandom holds under random scripts and faults: only connections that said who they are in full are opened, with their
// address; bytes come in order; whatever happens, nothing is told twice and nothing is left.
func TestRandom(t *testing.T) {
	first, last := uint64(1), uint64(400)
	if testing.Short() {
		last = 100
	}
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	opened, refused := 0, uint64(0)
	for seed := first; seed <= last && !t.Failed(); seed++ {
		o, r := runRandom(t, seed)
		opened += o
		refused += r
		if t.Failed() {
			t.Logf("repeat it with: go test ./poller/proxydriver -run 'TestRandom$' -seed %d", seed)
		}
	}
	if *seedFlag == 0 && (opened < int(last) || refused < last) {
		t.Errorf("%d opened and %d refused in %d runs: the scripts are of no use", opened, refused, last)
	}
}

func runRandom(t *testing.T, seed uint64) (opened int, refused uint64) {
	r := rand.New(rand.NewPCG(seed, 2))
	so := sim.Options{
		Seed: seed, Loops: 1 + r.IntN(3), ReusePort: r.IntN(2) == 0, Faults: sim.RandomFaults(r),
		ReceiveBuffer: 1 << r.IntN(17), Descriptors: []int{0, 10}[r.IntN(2)],
	}
	mode := []handshake.ProxyMode{handshake.ProxyFromTrusted, handshake.ProxyRequired}[r.IntN(2)]
	o := proxydriver.Options{Policy: policy(t, mode, proxies), Timeout: time.Duration(1+r.IntN(20)) * time.Second}
	var peers []*peer
	run(t, so, o, func(w *world) {
		w.data = func(h *recorder, s *session, b []byte) int {
			switch r.IntN(20) {
			case 0:
				h.loop.Close(s.token, errTest)
			case 1:
				h.loop.Pause(s.token)
				w.After(time.Second, func() { h.loop.Resume(s.token) })
			}
			return r.IntN(len(b) + 1)
		}
		w.opens = func(h *recorder, s *session) {
			switch r.IntN(20) {
			case 0:
				h.loop.Close(s.token, errTest)
			case 1:
				h.loop.Pause(s.token)
				w.After(time.Second, func() { h.loop.Resume(s.token) })
			}
		}
		for range 150 {
			switch r.IntN(4) {
			case 0:
				peers = append(peers, newPeer(w, r, mode, len(peers)))
			case 1, 2:
				if len(peers) > 0 {
					act(peers[r.IntN(len(peers))], r)
				}
			default:
				w.Advance(time.Duration(r.IntN(1000)) * time.Millisecond)
			}
			for range r.IntN(20) {
				w.Step()
			}
		}
		w.Calm()
		w.Advance(time.Minute)
		for _, p := range peers {
			p.Reset()
		}
		w.Settle()
		for _, s := range w.sessions {
			checkRandom(t, s, peers)
		}
		opened = len(w.sessions)
		st := w.driver.Stats()
		refused = st.Missing.Load() + st.Malformed.Load() + st.TooLarge.Load() + st.NotAdmitted.Load() + st.TimedOut.Load() + st.Gone.Load()
		if n := st.Headers.Load(); n > uint64(opened) || mode == handshake.ProxyRequired && n != uint64(opened) {
			t.Errorf("seed %d: %d headers, %d opened", seed, n, opened)
		}
	})
	return opened, refused
}

// newPeer dials from a trusted address or another one, with a header or something else.
func newPeer(w *world, r *rand.Rand, mode handshake.ProxyMode, number int) *peer {
	p := &peer{number: number}
	data := make([]byte, r.IntN(2000))
	for i := range data {
		data[i] = byte(i*7 + number)
	}
	if r.IntN(5) == 0 {
		p.Peer = w.DialFrom(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(number)))
		p.direct = mode == handshake.ProxyFromTrusted
		p.left, p.data = data, data
		return p
	}
	p.Peer = w.Dial()
	p.Cut([]sim.Cut{sim.CutAnywhere, sim.CutNowhere, sim.CutBytes}[r.IntN(3)])
	source := netip.AddrPortFrom(client.Addr(), uint16(number))
	head := version1(source, destination)
	if r.IntN(2) == 0 {
		tlv := binary.BigEndian.AppendUint16([]byte{0xee}, uint16(r.IntN(3000)))
		head = version2With(source, destination, append(tlv, make([]byte, binary.BigEndian.Uint16(tlv[1:]))...))
	}
	switch r.IntN(6) {
	case 0: // nothing that the handler may see
		head[r.IntN(6)] ^= 0x80
		p.left = append(head, data...)
	case 1: // nothing more
		p.left = head[:r.IntN(len(head))]
	default:
		p.head, p.data = head, data
		p.left = append(head[:len(head):len(head)], data...)
	}
	return p
}

// act sends something, or ends the connection.
func act(p *peer, r *rand.Rand) {
	switch n := r.IntN(12); {
	case n == 0:
		p.CloseWrite()
	case n == 1:
		p.Reset()
	case n == 2:
		p.Vanish()
	case n < 8:
		p.Send(p.left)
		p.left = nil
	default:
		k := r.IntN(len(p.left) + 1)
		p.Send(p.left[:k])
		p.left = p.left[k:]
	}
}

// checkRandom finds who an opened connection belongs to.
func checkRandom(t *testing.T, s *session, peers []*peer) {
	t.Helper()
	number := int(s.addr.Port())
	if !s.addr.IsValid() && !s.relayed {
		return // it was reset before Open could ask, and what comes then is nobody's
	}
	if number >= len(peers) {
		t.Errorf("opened for %v, which nobody is", s.addr)
		return
	}
	p := peers[number]
	switch {
	case s.relayed != (p.head != nil) || !s.relayed && !p.direct:
		t.Errorf("opened for %v: relayed %v, direct %v", s.addr, s.relayed, p.direct)
	case s.relayed && s.addr.Addr() != client.Addr():
		t.Errorf("opened with the address %v", s.addr)
	case len(s.got) > len(p.data) || string(s.got) != string(p.data[:len(s.got)]):
		t.Errorf("%v: got bytes that were not sent", s.addr)
	}
}

var _ poller.Handler = (*recorder)(nil)
