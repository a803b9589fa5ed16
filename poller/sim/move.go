//go:build linux || darwin || freebsd

package sim

import "io"

// moveUp brings something of the peer to the socket.
func (w *World) moveUp(id uint32) {
	s := w.socket(id)
	l := w.links[s.link]
	switch {
	case s.has(dialing):
		w.connect(id, s)
	case s.has(requesting):
		w.answer(id, s)
	case s.has(rstSent):
		w.trace("reset arrives from peer", int(id), 0)
		s.clear(rstSent)
		w.resetSocket(id, s, l)
	case l.out.len() > l.arrived && s.has(orphaned):
		w.trace("bytes for nobody from peer", int(id), l.out.len())
		w.returnReset(s, l)
	case l.out.len() > l.arrived:
		n := w.share(s, min(l.out.len(), w.options.ReceiveBuffer)-l.arrived)
		w.trace("bytes from peer", int(id), n)
		l.arrived += n
		w.stir(id, s)
	default:
		w.trace("end from peer", int(id), 0)
		s.set(finArrived | edge)
		w.stir(id, s)
	}
}

// moveDown brings something of the socket to the peer.
func (w *World) moveDown(id uint32) {
	s := w.socket(id)
	l := w.links[s.link]
	switch {
	case s.has(rstReturned):
		w.trace("reset reaches peer", int(id), 0)
		s.clear(rstReturned)
		w.endPeer(s, l, errReset)
	case l.in.len() > 0 && s.has(peerClosed):
		w.trace("bytes for the closed peer", int(id), l.in.len())
		l.in.cut(0, &w.buffers)
		s.set(rstSent)
	case l.in.len() > 0:
		n := l.in.len()
		if l.stalls {
			n = min(n, l.window)
		}
		n = w.share(s, n)
		w.trace("bytes to peer", int(id), n)
		l.window -= n
		w.deliver(l, l.in.bytes()[:n])
		l.in.drop(n, &w.buffers)
		w.stir(id, s)
	default:
		w.trace("end to peer", int(id), 0)
		s.set(finReached)
		if l.onEnd != nil {
			l.onEnd(io.EOF)
		}
	}
}

// share is how many of n bytes move at once.
func (w *World) share(s *socket, n int) int {
	switch {
	case s.cut == CutBytes:
		return 1
	case s.cut == CutNowhere || w.random.IntN(2) == 0:
		return n
	}
	return 1 + w.random.IntN(n)
}

// deliver gives bytes to the script. They stay in the send buffer until it returns.
func (w *World) deliver(l *link, b []byte) {
	if l.onData != nil {
		l.onData(b)
		return
	}
	l.received.push(b, &w.buffers)
}

// connect has a request find a listener.
func (w *World) connect(id uint32, s *socket) {
	s.clear(dialing)
	open := 0
	for i := range w.listeners {
		if !w.listeners[i].closed {
			open++
		}
	}
	if open == 0 {
		w.trace("refused peer", int(id), 0)
		s.set(refused)
		w.endPeer(s, w.links[s.link], errRefused)
		return
	}
	w.trace("request of peer", int(id), 0)
	nth := w.random.IntN(open)
	for i := range w.listeners {
		if ln := &w.listeners[i]; !ln.closed {
			if nth == 0 {
				ln.backlog = append(ln.backlog, id)
				return
			}
			nth--
		}
	}
}

// resetSocket is what an RST does to the server's end. What arrived before can still be read.
func (w *World) resetSocket(id uint32, s *socket, l *link) {
	l.in.cut(0, &w.buffers)
	if s.has(orphaned) {
		l.arrived = 0
	}
	l.out.cut(l.arrived, &w.buffers)
	if s.isOver() {
		return
	}
	switch {
	case s.has(orphaned):
	case s.has(finArrived) && !s.has(shut):
		s.set(brokenPipe)
	default:
		s.set(brokenReset)
	}
	s.set(dead | edge)
	w.stir(id, s)
}

// returnReset has the server's side answer with RST. It knows the connection no more.
func (w *World) returnReset(s *socket, l *link) {
	l.arrived = 0
	l.out.cut(0, &w.buffers)
	l.in.cut(0, &w.buffers)
	s.set(dead)
	if !s.has(peerOver) {
		s.set(rstReturned)
	}
}

// endPeer has the peer learn that the connection is gone.
func (w *World) endPeer(s *socket, l *link, err error) {
	s.set(peerOver)
	l.out.cut(l.arrived, &w.buffers)
	if l.onEnd != nil && !s.has(peerClosed) {
		l.onEnd(err)
	}
}
