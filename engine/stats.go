package engine

import (
	"sync/atomic"

	"github.com/wsloop/wsloop/poller"
)

// Stats count what a Server has seen since it began to serve.
type Stats struct {
	Connections    int64  // open now, opening handshakes included
	Handshakes     uint64 // answered with 101
	Refused        uint64 // requests answered with an error
	Plain          uint64 // requests given to Events.Plain
	ProtocolErrors uint64 // connections failed for what the peer did
	BufferFull     uint64 // messages refused with ErrBufferFull, and pongs left out
	Timeouts       uint64 // deadlines that passed; a peer can miss the handshake's and then the close's
	AcceptErrors   uint64 // connections or turns of accepting lost to a lack of descriptors or memory
	Panics         uint64 // in callbacks
}

type counters struct {
	handshakes, refused, plain           atomic.Uint64
	protocolErrors, bufferFull, timeouts atomic.Uint64
	panics                               atomic.Uint64
}

// Stats reads the counters.
func (s *Server) Stats() Stats {
	c := &s.counters
	var acceptErrors uint64
	s.mu.Lock()
	if d, ok := s.driver.(interface{ Stats() *poller.Stats }); ok {
		acceptErrors = d.Stats().AcceptErrors.Load()
	}
	s.mu.Unlock()
	return Stats{
		AcceptErrors:   acceptErrors,
		Connections:    s.live.Load(),
		Handshakes:     c.handshakes.Load(),
		Refused:        c.refused.Load(),
		Plain:          c.plain.Load(),
		ProtocolErrors: c.protocolErrors.Load(),
		BufferFull:     c.bufferFull.Load(),
		Timeouts:       c.timeouts.Load(),
		Panics:         c.panics.Load(),
	}
}
