package route

import "bytes"

// validPath reports whether a path, as sent, can be taken in one way only: whole
// segments of which none is empty but the last, no dot segments, no encoded slashes.
func validPath(path []byte) bool {
	if len(path) == 0 || path[0] != '/' {
		return false
	}
	for len(path) > 1 {
		var segment []byte
		if segment, path = cutSegment(path); !validSegment(segment) {
			return false
		}
	}
	return true
}

// validSegment looks at what stands between two slashes.
func validSegment(segment []byte) bool {
	length, dots := 0, 0
	for len(segment) > 0 {
		if segment[0] == '%' && (len(segment) < 3 || !isHex(segment[1]) || !isHex(segment[2])) {
			return false
		}
		c, n := decodeByte(segment)
		switch c {
		case '/':
			return false
		case '.':
			dots++
		}
		length++
		segment = segment[n:]
	}
	return length > 2 || length > dots
}

// decodeByte decodes the first byte of a valid segment, of which it takes n bytes.
func decodeByte(segment []byte) (c byte, n int) {
	if segment[0] != '%' {
		return segment[0], 1
	}
	return unhex(segment[1])<<4 | unhex(segment[2]), 3
}

// decode gives what a part of a valid path says: the part itself if nothing in it is
// encoded, else a copy.
func decode(part []byte) []byte {
	encoded := bytes.IndexByte(part, '%')
	if encoded < 0 {
		return part[:len(part):len(part)]
	}
	decoded := append(make([]byte, 0, len(part)), part[:encoded]...)
	for part = part[encoded:]; len(part) > 0; {
		c, n := decodeByte(part)
		decoded, part = append(decoded, c), part[n:]
	}
	return decoded
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return (c | 0x20) - 'a' + 10
}
