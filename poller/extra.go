//go:build linux || darwin || freebsd

package poller

// extra is what a connection owns only while it has bytes that could not move on.
type extra struct {
	queue queue
	rest  []byte // input that the handler has not consumed
}

// extra returns the connection's rare state, making it if need be.
func (l *loop) extra(c *conn) *extra {
	if c.extra != 0 {
		return l.extras[c.extra]
	}
	if last := len(l.freeExtras) - 1; last >= 0 {
		c.extra = l.freeExtras[last]
		l.freeExtras = l.freeExtras[:last]
	} else {
		c.extra = uint32(len(l.extras))
		l.extras = append(l.extras, new(extra))
	}
	return l.extras[c.extra]
}

// tidy gives the rare state back once it is empty.
func (l *loop) tidy(c *conn) {
	if c.extra == 0 {
		return
	}
	if x := l.extras[c.extra]; x.queue.pending == 0 && x.rest == nil {
		l.freeExtras = append(l.freeExtras, c.extra)
		c.extra = 0
	}
}
