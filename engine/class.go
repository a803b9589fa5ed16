package engine

import (
	"sync"
	"sync/atomic"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// classes are a Prepared as it is compressed for receivers of each window, from 8 to 15 bits. Who takes context over shares
// a class with who does not: what many get refers to nothing.
type classes [16 - minWindowBits]class

const minWindowBits = 8

// class is a message compressed once, at the first receiver who can read it.
type class struct {
	once     sync.Once
	done     atomic.Bool
	prepared *Prepared // nil if it did not become smaller, or there is no room for it beside a retained message
}

// classFor is the window for which p is to be compressed before the connection gets it, in bits, or 0 if p is to be sent as it
// is. loop.mu is held.
func (l *loop) classFor(t poller.Token, o *outgoing, p *Prepared) (bits uint8) {
	if l.settings.deflate == nil || p.server != l.server {
		return 0
	}
	s := l.sendingOf(t)
	if s == nil || s.flags&(sendDeflates|sendMasks) != sendDeflates {
		return 0
	}
	switch o.delivery.Compress {
	case CompressNever:
		return 0
	case CompressAuto:
		if len(p.frame)-p.header < l.settings.deflate.threshold {
			return 0
		}
	}
	if a := l.agreementOf(t, s); a != nil {
		return a.outBits
	}
	return 15
}

// class is that of a window.
func (p *Prepared) class(bits uint8) *class {
	all := p.smaller.Load()
	if all == nil {
		p.smaller.CompareAndSwap(nil, new(classes))
		all = p.smaller.Load()
	}
	return &all[bits-minWindowBits]
}

// compress compresses p for receivers with such a window, unless that was done. Any goroutine may call it.
func (k *class) compress(p *Prepared, bits uint8) {
	k.once.Do(func() {
		if small := p.compressed(bits); small != nil {
			p.server.keepSmaller(k, p, small)
		}
		k.done.Store(true)
	})
}

// compressed is p compressed for a window, or nil if it does not become smaller.
func (p *Prepared) compressed(bits uint8) *Prepared {
	out, ok := p.server.settings.deflate.deflaters[bits].Append(nil, p.frame[p.header:], nil)
	if !ok {
		return nil
	}
	small := &Prepared{server: p.server, op: p.op, header: codec.HeaderLen(len(out))}
	small.frame = codec.AppendFrame(nil, true, p.op, out)
	codec.MarkCompressed(small.frame)
	return small
}
