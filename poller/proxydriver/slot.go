package proxydriver

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// state is how far a connection has come here.
type state uint8

const (
	stateDirect  state = iota // it has no header, and the slot says nothing of it
	stateWaiting              // its header is not complete
	stateRefused              // it is being closed, and the upper handler does not know of it
	stateTold                 // its header was read, and the upper handler knows of it
	stateGone                 // Closed has returned
)

// slot is what is known of a connection that was not handed up at once: 24 bytes without pointers. The loop alone writes it.
//
// Any goroutine may read the address, and believe it if meta names the connection, with stateTold, both before and
// after. The loop writes an address only while meta does not say that of any connection.
type slot struct {
	meta      atomic.Uint64
	high, low atomic.Uint64 // the address in network order; while the connection waits, low is its place in layer.waiting
}

// meta is the generation of the connection that a slot speaks of, and, from bit 16 on down, the client's port, what the
// header told, and the state.
type meta uint64

func makeMeta(t poller.Token, port uint16, kind handshake.ProxyKind, s state) meta {
	return meta(t.Generation())<<32 | meta(port)<<16 | meta(kind)<<8 | meta(s)
}

func (m meta) generation() uint32        { return uint32(m >> 32) }
func (m meta) port() uint16              { return uint16(m >> 16) }
func (m meta) kind() handshake.ProxyKind { return handshake.ProxyKind(m >> 8) }
func (m meta) state() state              { return state(m) }
func (m meta) addressed() bool           { return m.state() == stateTold && hasAddress(m.kind()) }
func hasAddress(k handshake.ProxyKind) bool {
	return k == handshake.ProxyTCP4 || k == handshake.ProxyTCP6
}

// set says how a connection stands that is not told of.
func (s *slot) set(t poller.Token, to state) {
	s.meta.Store(uint64(makeMeta(t, 0, handshake.ProxyIncomplete, to)))
}

// tell keeps what a header says.
func (s *slot) tell(t poller.Token, kind handshake.ProxyKind, source netip.AddrPort) {
	if hasAddress(kind) {
		b := source.Addr().As16()
		s.high.Store(binary.BigEndian.Uint64(b[:8]))
		s.low.Store(binary.BigEndian.Uint64(b[8:]))
	}
	s.meta.Store(uint64(makeMeta(t, source.Port(), kind, stateTold)))
}

// address is that of the client, if the slot still is as m says, which is addressed.
func (s *slot) address(m meta) (addr netip.AddrPort, ok bool) {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], s.high.Load())
	binary.BigEndian.PutUint64(b[8:], s.low.Load())
	return netip.AddrPortFrom(netip.AddrFrom16(b).Unmap(), m.port()), meta(s.meta.Load()) == m
}

// find returns what is known of a connection: nil and stateDirect if that is nothing. Any goroutine.
func (l *layer) find(t poller.Token) (*slot, meta) {
	if int(t.Slot()) >= l.slots.Len() {
		return nil, 0
	}
	s := l.slots.At(t.Slot())
	m := meta(s.meta.Load())
	if m.generation() != t.Generation() {
		return nil, 0
	}
	return s, m
}

// RemoteAddr implements poller.Loop. Any goroutine.
func (l *layer) RemoteAddr(t poller.Token) (netip.AddrPort, error) {
	switch s, m := l.find(t); {
	case m.state() == stateGone:
		// The inner driver may not have given the token up yet; its answer would be the proxy's address.
		return netip.AddrPort{}, poller.ErrClosed
	case m.addressed():
		addr, ok := s.address(m)
		if !ok {
			return netip.AddrPort{}, poller.ErrClosed
		}
		return addr, nil
	}
	return l.Loop.RemoteAddr(t)
}
