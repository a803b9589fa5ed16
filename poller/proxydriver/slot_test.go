package proxydriver

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// A reader whose slot changes hands between its look at meta and its look at the address believes neither.
func TestAddressOfASlotThatChanges(t *testing.T) {
	first, second := poller.MakeToken(0, 1), poller.MakeToken(0, 2)
	a, b := netip.MustParseAddrPort("[2001:db8::1]:1"), netip.MustParseAddrPort("192.0.2.2:2")
	var s slot
	s.tell(first, handshake.ProxyTCP6, a)
	m := meta(s.meta.Load())
	if got, ok := s.address(m); got != a || !ok {
		t.Errorf("got %v, %v, want %v", got, ok, a)
	}
	for name, change := range map[string]func(){
		"gone":    func() { s.set(first, stateGone) },
		"waiting": func() { s.set(second, stateWaiting) },
		"told":    func() { s.tell(second, handshake.ProxyTCP4, b) },
		"unknown": func() { s.tell(second, handshake.ProxyUnknown, netip.AddrPort{}) },
	} {
		if change(); m.generation() != 1 || !m.addressed() {
			t.Fatalf("meta is %x", m)
		}
		if got, ok := s.address(m); ok {
			t.Errorf("%s: got %v", name, got)
		}
	}
	s.tell(second, handshake.ProxyTCP4, b)
	if got, ok := s.address(meta(s.meta.Load())); got != b || !ok {
		t.Errorf("got %v, %v, want %v", got, ok, b)
	}
}

// A burst leaves no places behind, and a few that wait do not give theirs up.
func TestWaitsTrim(t *testing.T) {
	var w waits
	for i := range uint32(2 * spareWaits) {
		w.add(poller.MakeToken(i, 1), 0)
	}
	for place := range uint32(2*spareWaits - 1) {
		w.remove(place + 1)
	}
	if w.trim(); w.oldest() == nil || w.oldest().token.Slot() != 2*spareWaits-1 {
		t.Fatal("the one that waits was given up")
	}
	w.remove(2 * spareWaits)
	if w.trim(); cap(w.places) != 0 || w.oldest() != nil {
		t.Errorf("%d places are left", cap(w.places))
	}
	for range 5 {
		w.remove(w.add(1, 0))
	}
	if len(w.places) != 2 {
		t.Errorf("%d places for one connection at a time", len(w.places)-1)
	}
	if w.trim(); cap(w.places) == 0 {
		t.Error("the places of one connection are made anew each time")
	}
}

// A connection without a descriptor cannot be adopted again, and says so.
func TestRelayedWithoutDescriptor(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, err := (&relayed{Conn: a}).SyscallConn(); !errors.Is(err, poller.ErrUnsupported) {
		t.Error(err)
	}
}
