package engine

import (
	"sync"
	"sync/atomic"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
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

	compress sync.Once
	smaller  *Prepared // the same compressed, for those who agreed to that; nil if it is not smaller
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
	l := c.loop
	if l.settings.deflate != nil && p.server == l.server {
		p.compress.Do(p.deflate)
	}
	o := message(p.op, d)
	l.mu.Lock()
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
	if small := l.smallerFor(c.token, s, o, p); small != nil {
		p = small
		defer l.forgetSent(c.token, s)
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

// deflate compresses the message, without context: once for all who agreed to a window of 32 KiB.
func (p *Prepared) deflate() {
	d := p.server.settings.deflate
	payload := p.frame[p.header:]
	if d == nil || len(payload) < d.takeover {
		return
	}
	out, ok := d.deflaters[15].Append(nil, payload, nil)
	if !ok {
		return
	}
	small := &Prepared{server: p.server, op: p.op, header: codec.HeaderLen(len(out))}
	small.frame = codec.AppendFrame(nil, true, p.op, out)
	codec.MarkCompressed(small.frame)
	p.smaller = small
}

// smallerFor is the compressed message if the connection can read it. loop.mu is held.
func (l *loop) smallerFor(t poller.Token, s *sending, o *outgoing, p *Prepared) *Prepared {
	if p.smaller == nil || s.flags&sendDeflates == 0 || o.delivery.Compress == CompressNever {
		return nil
	}
	if a := l.agreementOf(t, s); a != nil && a.outBits < 15 {
		return nil
	}
	return p.smaller
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
