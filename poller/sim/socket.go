//go:build linux || darwin || freebsd

package sim

import "github.com/wsloop/wsloop/poller/internal/system"

// A socket is a connection, seen from both of its ends. It has no pointers, so that a million
// of them cost the garbage collector nothing. Sockets are numbered as they are dialed and never used again.
type socket struct {
	token    uint64
	fd       int32 // while accepted
	loop     int16 // that watches it, or -1
	interest system.Interest
	cut      Cut
	flags    flags
	link     uint32 // index in World.links: 0 while no byte is under way and nobody listens
	up, down uint32 // places in World.moving plus one, or 0
}

// flags are what became of a connection. Its server's end is the socket, its other end the peer.
type flags uint32

const (
	dialing       flags = 1 << iota // the request is under way
	refused                         // there was no listener
	accepted                        // it has a descriptor
	finSent                         // the peer sent FIN, behind its bytes
	finArrived                      // which came to the socket
	rstSent                         // the peer's RST is under way
	dead                            // which came to the socket, or would not find it
	brokenReset                     // the socket's error: ECONNRESET
	brokenPipe                      // or EPIPE
	shut                            // the server sent FIN, behind its bytes
	finReached                      // which reached the peer
	rstReturned                     // the RST of the server's side is under way
	orphaned                        // the server closed the descriptor
	peerClosed                      // the peer takes nothing any more
	peerOver                        // a reset in either direction, or a refusal
	vanished                        // nothing arrives any more
	discards                        // bytes for the peer go nowhere, at once
	candidate                       // stands in loop.candidates
	edge                            // something changed since the last report
	unmade                          // the driver dials, and there is no connection yet, or will be none
	requesting                      // the driver's request is under way
	held                            // and waits for a timer
	brokenRefused                   // the socket's error: ECONNREFUSED

	broken = brokenReset | brokenPipe | brokenRefused
)

func (s *socket) has(any flags) bool { return s.flags&any != 0 }

func (s *socket) set(f flags) { s.flags |= f }

func (s *socket) clear(f flags) { s.flags &^= f }

// A link is what a socket needs beyond its flags while something happens on it.
type link struct {
	out      stream // sent by the peer
	arrived  int    // how much of out is in the socket's receive buffer
	in       stream // the socket's send buffer
	received stream // taken by the peer and not read by the script
	window   int    // what the peer takes before it stalls
	stalls   bool   // window counts
	onData   func([]byte)
	onEnd    func(error)
}

// spareLinks are kept for later. A burst of more does not keep its memory.
const spareLinks = 1024

const (
	chunkShift = 10
	chunk      = 1 << chunkShift
)

func (w *World) socket(id uint32) *socket {
	return &w.sockets[id>>chunkShift][id&(chunk-1)]
}

func (w *World) newSocket() uint32 {
	id := w.count
	w.count++
	if int(id>>chunkShift) == len(w.sockets) {
		w.sockets = append(w.sockets, new([chunk]socket))
	}
	*w.socket(id) = socket{fd: -1, loop: -1, flags: dialing}
	return id
}

// linkOf makes the socket's link if it has none.
func (w *World) linkOf(s *socket) *link {
	if s.link != 0 {
		return w.links[s.link]
	}
	if last := len(w.freeLinks) - 1; last >= 0 {
		s.link = w.freeLinks[last]
		w.freeLinks = w.freeLinks[:last]
		if w.links[s.link] == nil {
			w.links[s.link] = new(link)
		}
	} else {
		s.link = uint32(len(w.links))
		w.links = append(w.links, new(link))
	}
	return w.links[s.link]
}

// settled notes what changed on a socket: what of it can move, and whether it still needs its link.
func (w *World) settled(id uint32) {
	s := w.socket(id)
	l := w.links[s.link]
	if s.has(peerClosed | peerOver) {
		l.onData, l.onEnd = nil, nil
	}
	if s.link != 0 && l.out.len()+l.in.len()+l.received.len() == 0 && !l.stalls && l.onData == nil && l.onEnd == nil {
		if len(w.freeLinks) >= spareLinks {
			w.links[s.link] = nil
		}
		w.freeLinks = append(w.freeLinks, s.link)
		s.link = 0
		l = w.links[0]
	}
	w.list(&s.up, move(id<<1), w.canMoveUp(s, l))
	w.list(&s.down, move(id<<1|1), w.canMoveDown(s, l))
}

// A move is a socket and the direction in which something of it can move.
type move uint32

// list has a move stand in World.moving or not.
func (w *World) list(place *uint32, m move, can bool) {
	switch {
	case can && *place == 0:
		w.moving = append(w.moving, m)
		*place = uint32(len(w.moving))
	case !can && *place != 0:
		last := w.moving[len(w.moving)-1]
		w.moving[*place-1] = last
		w.moving = w.moving[:len(w.moving)-1]
		if s := w.socket(uint32(last >> 1)); last&1 == 0 {
			s.up = *place
		} else {
			s.down = *place
		}
		*place = 0
	}
}

func (w *World) canMoveUp(s *socket, l *link) bool {
	switch {
	case s.has(vanished):
		return false
	case s.has(dialing | rstSent):
		return true
	case s.has(requesting):
		return !s.has(held)
	case l.out.len() > l.arrived:
		return s.has(orphaned) || l.arrived < w.options.ReceiveBuffer
	}
	return s.has(finSent) && !s.has(finArrived|peerOver|dead)
}

func (w *World) canMoveDown(s *socket, l *link) bool {
	switch {
	case s.has(vanished | peerOver):
		return false
	case s.has(rstReturned):
		return true
	case l.in.len() > 0:
		return s.has(peerClosed) || !l.stalls || l.window > 0
	}
	return s.has(shut) && !s.has(finReached|dead)
}

// stepMove moves something of one connection in one direction.
func (w *World) stepMove() {
	w.progress++
	m := w.moving[w.random.IntN(len(w.moving))]
	id := uint32(m >> 1)
	if m&1 == 0 {
		w.moveUp(id)
	} else {
		w.moveDown(id)
	}
	w.settled(id)
}
