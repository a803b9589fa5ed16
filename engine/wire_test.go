package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/wsloop/wsloop/codec"
)

// masked is a frame as a client sends it.
func masked[T string | []byte](fin bool, op codec.Opcode, payload T) string {
	return string(codec.AppendMaskedFrame(nil, fin, op, []byte(payload), 0x3d21fa37))
}

// closeFrame is a Close frame as a client sends it.
func closeFrame(code codec.StatusCode, reason string) string {
	return masked(true, codec.OpcodeClose, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}

// frame is what a server sent.
type frame struct {
	fin     bool
	op      codec.Opcode
	payload []byte
}

func (f frame) String() string {
	if f.op == codec.OpcodeClose {
		return fmt.Sprintf("close %d %q", code(f.payload), f.payload[min(2, len(f.payload)):])
	}
	return fmt.Sprintf("%v fin=%t of %d bytes %.40q", f.op, f.fin, len(f.payload), f.payload)
}

func code(payload []byte) codec.StatusCode {
	if len(payload) < 2 {
		return codec.StatusNoStatusRcvd
	}
	return codec.StatusCode(binary.BigEndian.Uint16(payload))
}

// readFrame reads a frame as RFC 6455 section 5.2 has a server send it: no reserved bit, no mask,
// the shortest length.
func readFrame(in io.Reader) (f frame, err error) {
	var h [10]byte
	if _, err = io.ReadFull(in, h[:2]); err != nil {
		return f, err
	}
	length, extended, least := uint64(h[1]), 0, uint64(0)
	switch {
	case h[0]&0x70 != 0 || h[1]&0x80 != 0:
		return f, fmt.Errorf("illegal frame header % x", h[:2])
	case h[1] == 126:
		extended, least = 2, 126
	case h[1] == 127:
		extended, least = 8, 1<<16
	}
	if extended > 0 {
		if _, err = io.ReadFull(in, h[10-extended:]); err != nil {
			return f, err
		}
		clear(h[2 : 10-extended])
		if length = binary.BigEndian.Uint64(h[2:]); length < least {
			return f, fmt.Errorf("length %d in %d bytes", length, extended)
		}
	}
	f = frame{h[0]&0x80 != 0, codec.Opcode(h[0] & 0xf), make([]byte, length)}
	_, err = io.ReadFull(in, f.payload)
	return f, err
}

// frames splits what a server sent.
func frames(b []byte) (all []frame, err error) {
	for in := bytes.NewReader(b); in.Len() > 0; {
		f, err := readFrame(in)
		if err != nil {
			return all, err
		}
		all = append(all, f)
	}
	return all, nil
}
