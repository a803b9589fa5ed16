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

// inflate inflates a message. It is lent until the next one is. Without ok the connection was failed.
func (l *loop) inflate(t poller.Token, s *session, op codec.Opcode, payload []byte) (message []byte, ok bool) {
	message, err := l.inflater.Append(l.inflated[:0], payload, op == codec.OpcodeText, l.windowIn(t), &l.settings.deflate.limits)
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
