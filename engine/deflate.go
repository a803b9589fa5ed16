package engine

import (
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/codec/deflate"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// Deflate says how messages are compressed where the peer agrees to permessage-deflate (RFC 7692). The zero value
// takes no context over, in either direction: a connection then owns nothing for it.
type Deflate struct {
	// Level is that of compression: 0 is fastest and keeps no tables, 9 smallest.
	Level int
	// Threshold is the length in bytes from which messages are compressed: 256, or 32 where context is taken
	// over, unless set.
	Threshold int
	// ServerContextTakeover and ClientContextTakeover let messages refer to those before in their
	// direction. What the peer sends then costs a window of up to 1 << its bits, what we send costs 2 KiB, as long
	// as the connection lives.
	ServerContextTakeover, ClientContextTakeover bool
	// ServerMaxWindowBits and ClientMaxWindowBits are the binary logarithms of the largest windows: 8 to
	// 15, and 15 unless set.
	ServerMaxWindowBits, ClientMaxWindowBits int
	// MaxRatio bounds how many times its compressed length a message may have, beyond its first 64 KiB. 0 means no limit but
	// MaxMessageBytes.
	MaxRatio int
	// MaxWindowBytes bounds the windows of all connections together: an eighth of MaxMemoryBytes unless
	// set. Beyond it no context takeover is agreed.
	MaxWindowBytes int64
}

// Compress says whether a message is to be compressed.
type Compress uint8

const (
	// CompressAuto compresses what is long enough, where that has paid lately.
	CompressAuto Compress = iota
	// CompressAlways compresses whatever becomes smaller.
	CompressAlways
	// CompressNever leaves the message as it is, because it is compressed or secret (RFC 7692 section 8).
	CompressNever
)

// deflation is a Deflate in force.
type deflation struct {
	options   handshake.DeflateOptions
	frugal    handshake.DeflateOptions // the same without takeover
	deflaters [16]*deflate.Deflater    // by window bits
	limits    deflate.Limits
	threshold int // without takeover
	takeover  int // threshold with it
	most      int64
}

const (
	deflateThreshold  = 256
	takeoverThreshold = 32
	// sentWindowBytes is what is remembered of what we send. More would find little more.
	sentWindowBytes = 2 << 10
)

// newDeflation checks and completes a Deflate.
func newDeflation(d *Deflate, maxMessage, maxMemory int64) (*deflation, error) {
	x := &deflation{
		options: handshake.DeflateOptions{
			ServerContextTakeover: d.ServerContextTakeover, ClientContextTakeover: d.ClientContextTakeover,
			ServerMaxWindowBits: d.ServerMaxWindowBits, ClientMaxWindowBits: d.ClientMaxWindowBits,
		},
		limits:    deflate.Limits{MessageBytes: uint64(maxMessage), Ratio: uint32(d.MaxRatio)},
		threshold: orDefault(d.Threshold, deflateThreshold),
		takeover:  orDefault(d.Threshold, takeoverThreshold),
		most:      orDefault(d.MaxWindowBytes, maxMemory/8),
	}
	x.frugal = x.options
	x.frugal.ServerContextTakeover, x.frugal.ClientContextTakeover = false, false
	switch {
	case d.Threshold < 0:
		return nil, &ConfigError{"Deflate.Threshold", "is negative"}
	case d.MaxRatio < 0:
		return nil, &ConfigError{"Deflate.MaxRatio", "is negative"}
	case d.MaxWindowBytes < 0:
		return nil, &ConfigError{"Deflate.MaxWindowBytes", "is negative"}
	}
	if err := x.options.Check(); err != nil {
		return nil, &ConfigError{"Deflate", err.Error()}
	}
	for bits := 8; bits < len(x.deflaters); bits++ {
		deflater, err := deflate.NewDeflater(d.Level, bits)
		if err != nil {
			return nil, &ConfigError{"Deflate.Level", err.Error()}
		}
		x.deflaters[bits] = deflater
	}
	return x, nil
}

// windows is what a connection has that takes context over, or has to do with a small window. in is the loop's, the rest
// is guarded by loop.mu.
type windows struct {
	token    poller.Token // 0 while it is free
	takesIn  bool
	takesOut bool
	outBits  uint8
	in, out  deflate.Window
	reserved int64 // of Deflate.MaxWindowBytes
}

// negotiate agrees to one of the client's offers. It returns the extension's part of the answer, empty if there is none.
func (l *loop) negotiate(t poller.Token, s *session, offers []handshake.Extension) (answer []byte) {
	d := l.settings.deflate
	if d == nil || len(offers) == 0 {
		return nil
	}
	options := &d.options
	if l.server.windowBytes.Load() >= d.most || l.server.budget.tight() {
		options = &d.frugal
	}
	params, answer, ok := options.Accept(l.extension[:0], offers)
	l.extension = answer
	if !ok {
		return nil
	}
	l.agree(t, s, &params)
	return answer
}

// agree notes what was agreed.
func (l *loop) agree(t poller.Token, s *session, p *handshake.DeflateParams) {
	w := windows{
		token: t, takesIn: !p.ClientNoContextTakeover, takesOut: !p.ServerNoContextTakeover, outBits: p.ServerMaxWindowBits,
	}
	inBits := p.ClientMaxWindowBits
	if s.isClient() {
		w.takesIn, w.takesOut = w.takesOut, w.takesIn
		w.outBits, inBits = p.ClientMaxWindowBits, p.ServerMaxWindowBits
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.sending.flags |= sendDeflates
	if !w.takesIn && !w.takesOut && w.outBits == 15 {
		return
	}
	if w.takesIn {
		w.in = deflate.NewWindow(1<<inBits, (*assembly)(l))
		w.reserved += 1 << inBits
	}
	if w.takesOut {
		w.out = deflate.NewWindow(min(sentWindowBytes, 1<<w.outBits), (*stock)(l))
		w.reserved += sentWindowBytes
	}
	l.server.windowBytes.Add(w.reserved)
	s.sending.flags |= sendWindows
	l.windowIndex.Grow(t.Slot())
	index := uint32(len(l.windows))
	if last := len(l.freeWindows) - 1; last >= 0 {
		index = l.freeWindows[last]
		l.freeWindows = l.freeWindows[:last]
		*l.windows[index] = w
	} else {
		l.windows = append(l.windows, &w)
	}
	*l.windowIndex.At(t.Slot()) = index
}

// windowsOf returns what agree noted, or nil. loop.mu is held, or the loop asks for what is its own.
func (l *loop) windowsOf(t poller.Token) *windows {
	if int(t.Slot()) >= l.windowIndex.Len() {
		return nil
	}
	if w := l.windows[*l.windowIndex.At(t.Slot())]; w.token == t {
		return w
	}
	return nil
}

// dropWindows gives back what agree took. loop.mu is held.
func (l *loop) dropWindows(t poller.Token) {
	w := l.windowsOf(t)
	if w == nil {
		return
	}
	w.in.Drop()
	w.out.Drop()
	l.server.windowBytes.Add(-w.reserved)
	index := l.windowIndex.At(t.Slot())
	*w = windows{}
	l.freeWindows = append(l.freeWindows, *index)
	*index = 0
}

// inflate inflates a message. It is lent until the next one is. Without ok the connection was failed.
func (l *loop) inflate(t poller.Token, s *session, op codec.Opcode, payload []byte) (message []byte, ok bool) {
	var window *deflate.Window
	if w := l.windowsOf(t); w != nil && w.takesIn {
		window = &w.in
	}
	message, err := l.inflater.Append(l.inflated[:0], payload, op == codec.OpcodeText, window, &l.settings.deflate.limits)
	l.inflated = message
	switch e, is := err.(*deflate.Error); {
	case err == nil:
		return message, true
	case is:
		l.server.counters.protocolErrors.Add(1)
		l.fail(t, s, e.Code, e)
	default:
		l.failMemory(t, s)
	}
	l.restInflated()
	return nil, false
}

// restInflated gives back a buffer that one long message made long.
func (l *loop) restInflated() {
	if cap(l.inflated) > maxInflatedBytes {
		l.buffers.Put(l.inflated)
		l.inflated = nil
	}
}

// maxInflatedBytes is what a loop keeps for inflated messages.
const maxInflatedBytes = 64 << 10

// stock lends what is guarded by loop.mu, as far as the budget allows.
type stock loop

var _ codec.Memory = (*stock)(nil)

// Grow implements codec.Memory.
func (p *stock) Grow(b []byte, need int) []byte {
	if !p.server.budget.allows(p.pool.Lacks(b, need)) {
		return nil
	}
	return p.pool.Grow(b, need)
}

// Release implements codec.Memory.
func (p *stock) Release(b []byte) { p.pool.Put(b) }
