//go:build linux || darwin || freebsd

package sim

import (
	"bytes"
	"net/netip"
)

// A Peer is the far end of a connection, whoever dialed it. Its methods are for scripts, and what cannot be done any
// more they do not do.
type Peer struct {
	w  *World
	id uint32
}

// State is how a connection stands, as its peer sees it.
type State int

// The states.
const (
	Connecting State = iota // the request is under way
	Refused                 // nobody listened
	Open                    // connected, though perhaps not accepted yet
	HalfClosed              // one side sent FIN
	Gone                    // both did, or the peer called Close or Vanish
	Reset                   // one side sent RST
)

var stateNames = [...]string{"connecting", "refused", "open", "half-closed", "gone", "reset"}

// String is the state in lower case.
func (s State) String() string { return stateNames[s] }

// Cut is how bytes of a connection travel, in both directions.
type Cut uint8

// The ways to cut.
const (
	CutAnywhere Cut = iota // in pieces of random lengths
	CutNowhere             // all that there is, at once
	CutBytes               // one by one
)

type address = netip.AddrPort

// Dial sends a connection request. It is accepted when a loop gets to it; bytes may be sent at once.
func (w *World) Dial() *Peer {
	id := w.newSocket()
	w.trace("dial by peer", int(id), 0)
	w.settled(id)
	return &Peer{w, id}
}

// DialFrom is Dial from an address. Otherwise each peer has one of its own, in 10.0.0.0/8.
func (w *World) DialFrom(from netip.AddrPort) *Peer {
	p := w.Dial()
	w.addresses[p.id] = from
	return p
}

// ID numbers the peers of a world from 0, in the order of their dialing, those that the driver dials among them. Traces name peers by it.
func (p *Peer) ID() int { return int(p.id) }

// Addr is what the server sees as the remote address: for a connection that the driver dialed, where it dialed to.
func (p *Peer) Addr() netip.AddrPort { return p.w.address(p.id) }

func (w *World) address(id uint32) netip.AddrPort {
	if d, ok := w.dials[id]; ok {
		return d.to.Addr
	}
	if from, ok := w.addresses[id]; ok {
		return from
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(id >> 16), byte(id >> 8), byte(id)}), 49152)
}

// State says how the connection stands.
func (p *Peer) State() State {
	s := p.w.socket(p.id)
	switch {
	case s.has(refused):
		return Refused
	case s.has(peerOver):
		return Reset
	case s.has(peerClosed | vanished), s.has(finSent) && s.has(finReached):
		return Gone
	case s.has(finSent | finReached):
		return HalfClosed
	case s.has(dialing):
		return Connecting
	}
	return Open
}

// Send puts a copy of b on the way. Unless the peer ended its side it arrives, in order, as the socket
// has room.
func (p *Peer) Send(b []byte) {
	s := p.w.socket(p.id)
	if len(b) == 0 || s.has(finSent|peerOver|vanished) {
		return
	}
	p.w.trace("send by peer", p.ID(), len(b))
	p.w.linkOf(s).out.push(b, &p.w.buffers)
	p.w.settled(p.id)
}

// CloseWrite sends FIN behind what was sent.
func (p *Peer) CloseWrite() {
	p.w.trace("shutdown by peer", p.ID(), 0)
	p.w.socket(p.id).set(finSent)
	p.w.settled(p.id)
}

// Close sends FIN, and takes nothing any more: what the server writes is answered with RST.
func (p *Peer) Close() {
	p.w.trace("close by peer", p.ID(), 0)
	p.w.socket(p.id).set(finSent | peerClosed)
	p.w.settled(p.id)
}

// Reset sends RST. What is still under way to the server is lost, wholly or in part.
func (p *Peer) Reset() {
	s := p.w.socket(p.id)
	if s.has(peerOver) {
		return
	}
	p.w.trace("reset by peer", p.ID(), 0)
	s.set(peerOver)
	if s.has(dialing) {
		s.clear(dialing) // given up before anybody heard of it
		p.w.links[s.link].out.cut(0, &p.w.buffers)
	} else {
		s.set(rstSent)
	}
	p.w.settled(p.id)
}

// Vanish loses all that is under way and will be, in both directions, as a cable does that is cut.
func (p *Peer) Vanish() {
	s := p.w.socket(p.id)
	p.w.trace("peer vanishes", p.ID(), 0)
	s.set(vanished)
	l := p.w.links[s.link]
	l.out.cut(l.arrived, &p.w.buffers)
	p.w.settled(p.id)
}

// Window has the peer take n more bytes and then stall; below 0 there is no such limit.
func (p *Peer) Window(n int) {
	l := p.w.linkOf(p.w.socket(p.id))
	p.w.trace("window of peer", p.ID(), n)
	l.window, l.stalls = n, n >= 0
	p.w.settled(p.id)
}

// Cut sets how bytes travel. At first it is CutAnywhere.
func (p *Peer) Cut(c Cut) { p.w.socket(p.id).cut = c }

// Received are the bytes that arrived and were not read, until the world goes on.
func (p *Peer) Received() []byte { return p.w.links[p.w.socket(p.id).link].received.bytes() }

// Read takes what was received. It is nil if there is nothing.
func (p *Peer) Read() []byte {
	b := bytes.Clone(p.Received())
	if len(b) == 0 {
		return nil
	}
	p.w.links[p.w.socket(p.id).link].received.cut(0, &p.w.buffers)
	p.w.settled(p.id)
	return b
}

// OnData has f told of bytes as they arrive, in place of keeping them for Read. They are f's until it
// returns. What was received before it is told at once.
func (p *Peer) OnData(f func(b []byte)) {
	p.w.linkOf(p.w.socket(p.id)).onData = f
	if b := p.Read(); b != nil {
		f(b)
	}
}

// OnEnd has f told once of the server's FIN, with io.EOF, and of its RST, with ECONNRESET; or that the connection was refused,
// with ECONNREFUSED. It is not told of what the peer did itself.
func (p *Peer) OnEnd(f func(err error)) { p.w.linkOf(p.w.socket(p.id)).onEnd = f }

// Discard has what the server writes go nowhere, at once and without a step, as if the peer were very near. It is
// for a great many peers.
func (p *Peer) Discard() { p.w.socket(p.id).set(discards) }
