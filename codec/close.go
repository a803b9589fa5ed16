package codec

import (
	"encoding/binary"

	"github.com/wsloop/wsloop/codec/utf8"
)

// MaxReasonLen is how many bytes of reason a Close frame has room for.
const MaxReasonLen = MaxControlPayload - statusCodeLen

const statusCodeLen = 2

// ParseClose reads the payload of a Close frame (RFC 6455 section 5.5.1), unmasked. An empty payload
// is StatusNoStatusRcvd. The reason is a slice of the payload. On error the code is zero; what to
// answer is the Code of the *ProtocolError.
func ParseClose(payload []byte) (code StatusCode, reason []byte, err error) {
	if len(payload) == 0 {
		return StatusNoStatusRcvd, nil, nil
	}
	if v, at := checkClose(payload, true); v != valid {
		return 0, nil, v.at(int64(at))
	}
	return statusCode(payload), payload[statusCodeLen:], nil
}

// ParseClose is the function of that name for the payload of the Close frame that d has just found. The
// Offset of its error counts as in all errors of d, which then is failed.
func (d *Decoder) ParseClose(payload []byte) (code StatusCode, reason []byte, err error) {
	code, reason, err = ParseClose(payload)
	if err != nil {
		v, at := checkClose(payload, true)
		return 0, nil, d.fail(v, d.offset-int64(len(payload)-at))
	}
	return code, reason, nil
}

// AppendClose appends the payload of a Close frame, not its header. A code that may not be sent, a
// reason over MaxReasonLen and a reason that is not UTF-8 are errors, and dst is returned as it was.
func AppendClose(dst []byte, code StatusCode, reason string) ([]byte, error) {
	if !code.Valid() {
		return dst, ErrStatusCode
	}
	if len(reason) > MaxReasonLen {
		return dst, ErrReasonTooLong
	}
	n := len(dst)
	out := binary.BigEndian.AppendUint16(dst, uint16(code))
	out = append(out, reason...)
	if !utf8.Valid(out[n+statusCodeLen:]) {
		return dst, ErrInvalidUTF8
	}
	return out, nil
}

// checkClose judges the payload of a Close frame, or only its beginning when more is to come, and
// says at which byte it is wrong. The length is at most 125, so that judging a growing beginning
// again and again is cheap.
func checkClose(payload []byte, whole bool) (v violation, at int) {
	if len(payload) < statusCodeLen {
		if whole && len(payload) > 0 {
			return closeWithoutCode, len(payload)
		}
		return checkCloseFirstByte(payload), 0
	}
	if v := checkCloseFirstByte(payload[:1]); v != valid {
		return v, 0
	}
	if !statusCode(payload).Valid() {
		return closeCodeInvalid, 1
	}
	var s utf8.State
	reason := payload[statusCodeLen:]
	end, ok := s.Advance(reason)
	switch {
	case !ok:
		return closeReasonNotUTF8, statusCodeLen + invalidAt(s, reason)
	case whole && !end.Complete():
		return closeReasonNotUTF8, len(payload)
	}
	return valid, 0
}

// checkCloseFirstByte refuses a first byte that no valid status code begins with.
func checkCloseFirstByte(b []byte) violation {
	if len(b) == 0 {
		return valid
	}
	least, most := StatusCode(b[0])<<8, StatusCode(b[0])<<8|0xff
	if most < StatusNormalClosure || least > 4999 || least >= StatusTLSHandshake && most < 3000 {
		return closeCodeInvalid
	}
	return valid
}

func statusCode(payload []byte) StatusCode {
	return StatusCode(binary.BigEndian.Uint16(payload))
}

// invalidAt finds the byte at which s.Advance(b), which has failed, does so.
func invalidAt(s utf8.State, b []byte) int {
	for i := 0; ; i++ {
		next, ok := s.Advance(b[i : i+1])
		if !ok {
			return i
		}
		s = next
	}
}
