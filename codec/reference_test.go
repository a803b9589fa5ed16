package codec

import "unicode/utf8"

// reference is RFC 6455 sections 5 to 8 written for clarity alone: it has all the input at hand,
// keeps every byte and shares no code with the package. Fuzzing compares the two.
type reference struct {
	eventLog
	setup
	in  []byte
	pos int // of the next byte of in

	opcode    byte // of the message in fragments, or 0
	packed    bool // it is compressed
	text      []byte
	places    []int // where in the input each byte of text stood
	fragments uint32

	closeInPieces bool // a Close frame was not complete
}

// refuse logs a failure that became certain at the given place.
func (r *reference) refuse(code StatusCode, at int) {
	r.events = append(r.events, failEvent(code))
	r.failed, r.failedAt = true, int64(at)
}

func (r *reference) run() {
	for r.pos < len(r.in) && !r.failed {
		if !r.frame() {
			return
		}
	}
}

// frame reads one frame and reports whether there may be another.
func (r *reference) frame() (more bool) {
	b := r.in[r.pos:]
	fin, op := b[0]&0x80 != 0, b[0]&0x0f
	control, continuation := op >= 8, op == 0
	known := op <= 2 || 8 <= op && op <= 10
	// RFC 7692 section 6: RSV1 stands on the first frame of a message.
	packed := r.deflate && b[0]&0x70 == 0x40 && (op == 1 || op == 2)
	if b[0]&0x70 != 0 && !packed || !known || control && !fin || !control && continuation != (r.opcode != 0) {
		r.refuse(1002, r.pos)
		return false
	}
	if continuation && r.limits.Fragments != 0 && r.fragments+1 > r.limits.Fragments {
		r.refuse(1008, r.pos)
		return false
	}
	if len(b) == 1 {
		return false
	}
	if b[1]&0x80 != 0 != (r.role == RoleServer) || control && b[1]&0x7f > 125 || op == 8 && b[1]&0x7f == 1 {
		r.refuse(1002, r.pos+1)
		return false
	}
	limit := r.limits.MessageBytes
	if packed || continuation && r.packed {
		limit = r.limits.CompressedBytes
	}
	if control {
		limit = 0
	}
	payloadLen, n, ok := r.payloadLen(b, limit)
	if !ok {
		return false
	}
	var key [4]byte
	if r.role == RoleServer {
		if len(b) < n+4 {
			return false
		}
		n += copy(key[:], b[n:])
	}
	b = b[n:]
	r.pos += n
	whole := uint64(len(b)) >= payloadLen
	if whole {
		b = b[:payloadLen]
	}
	payload := make([]byte, len(b))
	for i, c := range b {
		payload[i] = c ^ key[i%4]
	}
	start := r.pos
	r.pos += len(payload)
	if control {
		r.control(op, payload, start, whole)
	} else {
		if !continuation {
			r.packed = packed
		}
		r.data(op, fin, payload, start, whole)
	}
	return whole && op != 8
}

// payloadLen reads the length after the first byte, and refuses it as soon as neither of the two
// extremes that the missing bytes allow would be legal. A limit of 0 is none.
func (r *reference) payloadLen(b []byte, limit uint64) (payloadLen uint64, n int, ok bool) {
	size, shortest := 0, uint64(0)
	switch b[1] & 0x7f {
	case 126:
		size, shortest = 2, 126
	case 127:
		size, shortest = 8, 65536
	}
	for have := min(size, 1); have <= size; have++ {
		if len(b) < 2+have {
			return 0, 0, false
		}
		low, high := uint64(b[1]&0x7f), uint64(0)
		if size > 0 {
			low = 0
		}
		for i := range size {
			known, unknown := uint64(0), uint64(0xff)
			if i < have {
				known = uint64(b[2+i])
				unknown = known
			}
			low, high = low*256+known, high*256+unknown
		}
		if low >= 1<<63 || size > 0 && high < shortest {
			r.refuse(1002, r.pos+1+have)
			return 0, 0, false
		}
		if limit != 0 && uint64(len(r.text))+low > limit {
			r.refuse(1009, r.pos+1+have)
			return 0, 0, false
		}
		payloadLen = low
	}
	return payloadLen, 2 + size, true
}

func (r *reference) control(op byte, payload []byte, start int, whole bool) {
	if op != 8 {
		if whole {
			r.events = append(r.events, payloadEvent(Opcode(op).String(), payload))
		}
		return
	}
	r.closeInPieces = !whole
	switch {
	case len(payload) == 0:
		if whole {
			r.events = append(r.events, closeEvent(1005, nil))
		}
		return
	case len(payload) == 1:
		if !anyAllowed(int(payload[0]) * 256) {
			r.refuse(1002, start)
		}
		return
	}
	code, reason := int(payload[0])*256+int(payload[1]), payload[2:]
	switch invalid := firstInvalid(reason); {
	case !anyAllowed(code &^ 0xff):
		r.refuse(1002, start)
	case !allowedOnTheWire(code):
		r.refuse(1002, start+1)
	case invalid >= 0:
		r.refuse(1007, start+2+invalid)
	case whole && !utf8.Valid(reason):
		r.refuse(1007, start+len(payload))
	case whole:
		r.events = append(r.events, closeEvent(StatusCode(code), reason))
	}
}

// anyAllowed reports whether a status code that begins like this one may be sent.
func anyAllowed(code int) bool {
	for last := range 256 {
		if allowedOnTheWire(code + last) {
			return true
		}
	}
	return false
}

func (r *reference) data(op byte, fin bool, payload []byte, start int, whole bool) {
	if op != 0 {
		r.opcode = op
	}
	r.text = append(r.text, payload...)
	for i := range payload {
		r.places = append(r.places, start+i)
	}
	if r.opcode == 1 && !r.packed {
		if invalid := firstInvalid(r.text); invalid >= 0 {
			r.refuse(1007, r.places[invalid])
			return
		}
	}
	if !whole {
		return
	}
	r.fragments++
	if !fin {
		return
	}
	if r.opcode == 1 && !r.packed && !utf8.Valid(r.text) {
		r.refuse(1007, r.pos)
		return
	}
	r.events = append(r.events, messageEvent(Opcode(r.opcode), r.packed, r.text))
	r.opcode, r.text, r.places, r.fragments = 0, nil, nil, 0
}

// firstInvalid finds the byte with which b ceases to be the beginning of valid UTF-8, or -1.
func firstInvalid(b []byte) int {
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			for n := 1; i+n <= len(b); n++ {
				if utf8.FullRune(b[i : i+n]) {
					return i + n - 1
				}
			}
			return -1 // the rest may still come
		}
		i += size
	}
	return -1
}
