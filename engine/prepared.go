package engine

import (
	"sync/atomic"

	"github.com/wsloop/wsloop/codec"
)

// A Prepared is a message encoded once, to be sent to many connections of one Server. However many of
// them get it, each loop copies it at most once in a turn, and those that wait for slow peers share its
// memory. It never changes, and any goroutine may use it.
type Prepared struct {
	server  *Server
	op      codec.Opcode
	header  int    // bytes of frame before the payload
	frame   []byte // as a server sends it
	waiting atomic.Int32

	smaller atomic.Pointer[classes] // nil until a receiver wants it compressed
	kept    bool                    // it is retained, or compressed from what is; retained.mu guards it
}

// Prepare encodes a text or binary message. payload is copied. The error is ErrOpcode.
func (s *Server) Prepare(op codec.Opcode, payload []byte) (*Prepared, error) {
	if op != codec.OpcodeText && op != codec.OpcodeBinary {
		return nil, ErrOpcode
	}
	p := &Prepared{server: s, op: op, header: codec.HeaderLen(len(payload))}
	p.frame = codec.AppendFrame(nil, true, op, payload)
	return p, nil
}

// SendPrepared is Conn.SendWith for a message that is encoded already. To connections of other servers, and to those that
// we opened, whose frames are masked one by one, it is sent as a copy.
func (c Conn) SendPrepared(p *Prepared, d Delivery) (Sent, error) {
	if c.loop == nil {
		return Sent{}, ErrClosed
	}
	return c.sendPrepared(p, message(p.op, d))
}

func (c Conn) sendPrepared(p *Prepared, o *outgoing) (Sent, error) {
	l := c.loop
	l.mu.Lock()
	if bits := l.classFor(c.token, o, p); bits != 0 && !p.class(bits).done.Load() {
		l.mu.Unlock() // compressing takes long
		p.class(bits).compress(p, bits)
		l.mu.Lock()
	}
	sent, err := l.placePrepared(c, o, p)
	l.mu.Unlock()
	l.wakeAfter(err)
	return sent, err
}

// placePrepared is placeFrame for a message that is encoded already. loop.mu is held.
func (l *loop) placePrepared(c Conn, o *outgoing, p *Prepared) (Sent, error) {
	s := l.sendingOf(c.token)
	if s == nil || s.state != o.from {
		return Sent{}, whyNot(s)
	}
	if s.flags&sendMasks != 0 || p.server != l.server {
		return placeFrame(l, c.token, o, p.frame[p.header:])
	}
	if bits := l.classFor(c.token, o, p); bits != 0 {
		if k := p.class(bits); k.done.Load() && k.prepared != nil {
			p = k.prepared
			defer l.forgetSent(c.token, s)
		}
	}
	start, placed := l.outbox.find(p)
	fresh := len(p.frame)
	if placed {
		fresh = 0
	}
	if s.backlog != 0 || s.flags&sendDirect != 0 || !l.fits(s, len(p.frame), fresh) {
		return queueFrame(l, c.token, s, o, p, p.frame[p.header:])
	}
	if !placed {
		start = l.outbox.place(p)
	}
	l.extend(c.token, s, start, start+len(p.frame))
	return Sent{}, nil
}

// hold counts one more connection for which p waits. The first has its bytes counted.
func (p *Prepared) hold() {
	if p.waiting.Add(1) == 1 {
		p.server.budget.held.Add(int64(len(p.frame)))
	}
}

// release takes back one hold.
func (p *Prepared) release() {
	if p.waiting.Add(-1) == 0 {
		p.server.budget.held.Add(-int64(len(p.frame)))
	}
}

// lacks is how many bytes hold would count.
func (p *Prepared) lacks() int {
	if p.waiting.Load() > 0 {
		return 0
	}
	return len(p.frame)
}

// placements remember where messages lie in an outbox, a few at a time: a message that is
// forgotten is copied once more when it is sent on.
type placements [8]struct {
	prepared *Prepared
	start    int
}

// find says where a message lies in the outbox. loop.mu is held.
func (b *outbox) find(p *Prepared) (start int, ok bool) {
	for i := range b.placed {
		if b.placed[i].prepared == p {
			return b.placed[i].start, true
		}
	}
	return 0, false
}

// place puts a message into the outbox. loop.mu is held.
func (b *outbox) place(p *Prepared) (start int) {
	start = len(b.bytes)
	b.bytes = append(b.bytes, p.frame...)
	at := &b.placed[b.nextPlace%len(b.placed)]
	at.prepared, at.start = p, start
	b.nextPlace++
	return start
}
