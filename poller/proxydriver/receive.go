package proxydriver

import (
	"net/netip"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// lineBytes is the longest header of version 1, whatever the limit of version 2 is.
const lineBytes = 107

// receive reads on in the header of a connection that waits. The header is parsed from its beginning each time: of version 1 that is
// a short line, and of version 2 its first 16 bytes until all of it is there.
func (l *layer) receive(s *slot, t poller.Token, b []byte) (consumed int) {
	w := &l.waiting.places[s.low.Load()]
	kept, head := len(w.head), b
	limit := l.driver.options.Policy.HeaderBytes
	if kept > 0 {
		more := min(len(b), max(limit, lineBytes)-kept)
		w.head = append(l.buffers.Grow(w.head, kept+more), b[:more]...)
		head = w.head
	}
	l.header.Reset()
	n, err := l.header.Parse(head, limit)
	switch {
	case err != nil:
		l.refuse(t, l.driver.stats.refused(err))
		return len(b)
	case n == 0:
		// Then head is all that came: a header within the limit would be complete, and a longer one is refused.
		if kept == 0 {
			w.head = append(l.buffers.Get(len(b)), b...)
		}
		return len(b)
	}
	kind, source := l.header.Kind(), l.header.Source()
	if tell := l.driver.options.Header; tell != nil {
		tell(l.Index(), t, &l.header)
	}
	l.header.Reset()
	l.forget(s)
	return n - kept + l.open(s, t, kind, source, b[n-kept:])
}

// open tells the upper handler of a connection, and of what came behind its header unless it does not want that any more.
func (l *layer) open(s *slot, t poller.Token, kind handshake.ProxyKind, source netip.AddrPort, rest []byte) (consumed int) {
	s.tell(t, kind, source)
	l.opening, l.paused, l.closed = t, false, false
	l.upper.Open(t)
	l.opening = 0
	l.driver.stats.Headers.Add(1)
	switch {
	case l.closed:
		return len(rest)
	case l.paused || len(rest) == 0:
		return 0
	}
	return l.upper.Data(t, rest)
}

// Pause implements poller.Loop.
func (l *layer) Pause(t poller.Token) {
	if t == l.opening {
		l.paused = true
	}
	l.Loop.Pause(t)
}

// Resume implements poller.Loop.
func (l *layer) Resume(t poller.Token) {
	if t == l.opening {
		l.paused = false
	}
	l.Loop.Resume(t)
}

// Close implements poller.Loop.
func (l *layer) Close(t poller.Token, err error) {
	if t == l.opening {
		l.closed = true
	}
	l.Loop.Close(t, err)
}
