package engine

import (
	"crypto/rand"
	"encoding/binary"
	mathrand "math/rand/v2"

	"github.com/wsloop/wsloop/codec"
)

// appendFrame appends a frame as the connection sends it: masked, with a key of its own, if we are the client
// (RFC 6455 section 5.1). loop.mu is held.
func appendFrame[T []byte | string](l *loop, s *sending, dst []byte, fin bool, op codec.Opcode, payload T) []byte {
	if s.flags&sendMasks == 0 {
		return append(codec.AppendHeader(dst, fin, op, len(payload)), payload...)
	}
	return codec.AppendMaskedFrame(dst, fin, op, payload, l.maskingKey())
}

// maskingKey returns a key that who sees the application's data and earlier keys cannot predict
// (RFC 6455 section 5.3). loop.mu is held.
func (l *loop) maskingKey() uint32 { return uint32(l.secret().Uint64()) }

// secret is the loop's source of keys. loop.mu is held.
func (l *loop) secret() *mathrand.ChaCha8 {
	if l.secrets == nil {
		l.secrets = mathrand.NewChaCha8(l.server.secretSeed(l.driver.Index()))
	}
	return l.secrets
}

// secretSeed is fresh for each loop, unless the driver is simulated: then it repeats.
func (s *Server) secretSeed(loop int) (seed [32]byte) {
	if s.settings.simulated {
		binary.LittleEndian.PutUint64(seed[:], s.settings.seed)
		binary.LittleEndian.PutUint64(seed[8:], uint64(loop))
		return seed
	}
	rand.Read(seed[:]) // which never fails
	return seed
}
