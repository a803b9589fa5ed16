package handshake

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec/codectest"
)

// FuzzProxy cuts the input where the second argument says. Any cut gives the same, and
// what is read is what a slow reader of the specification reads.
func FuzzProxy(f *testing.F) {
	for _, c := range codectest.Load(f, "testdata/proxy") {
		if len(c.In) < 1000 {
			f.Add(c.In, []byte{7, 1, 30})
		}
	}
	f.Fuzz(func(t *testing.T, in, cuts []byte) {
		if len(in) > 1000 {
			return // every byte costs a copy of those before it
		}
		var whole, cut ProxyHeader
		n, err := whole.Parse(in, 0)
		m, cutErr := 0, error(nil)
		for end, i := 0, 0; m == 0 && cutErr == nil; i++ {
			m, cutErr = cut.Parse(slices.Clone(in[:end]), 0)
			if end == len(in) {
				break
			}
			step := 1
			if len(cuts) > 0 {
				step = int(cuts[i%len(cuts)])
			}
			end = min(len(in), end+max(step, 1))
		}
		if n != m || err != cutErr || whole.Scanned() != cut.Scanned() {
			t.Fatalf("whole: %d, %v at %d; cut: %d, %v at %d", n, err, whole.Scanned(), m, cutErr, cut.Scanned())
		}
		slow := readProxySlowly(in)
		if n != slow.n || n > 0 && (whole.Kind() != slow.kind || whole.Source() != slow.source || whole.Destination() != slow.destination) {
			t.Fatalf("%d bytes: %v; slowly %+v", n, describeProxy(&whole), slow)
		}
		if n > 0 && len(in) > n {
			return
		}
		// What is not refused can still become a header, so a longer one is no other.
		if err == nil && n == 0 && len(in) > 0 && !strings.HasPrefix(proxyWord, string(in[:min(len(in), len(proxyWord))])) &&
			!strings.HasPrefix(proxySignature, string(in[:min(len(in), len(proxySignature))])) {
			t.Fatalf("%q may not become a header", in)
		}
		if errors.Is(err, ErrProxyMissing) && (bytes.HasPrefix(in, []byte(proxyWord)) || bytes.HasPrefix(in, []byte(proxySignature))) {
			t.Fatalf("%q begins with a header", in)
		}
	})
}

// slowProxy is what the slow reader finds; n == 0 if it finds no whole header.
type slowProxy struct {
	n                   int
	kind                ProxyKind
	source, destination netip.AddrPort
}

var proxyLine = regexp.MustCompile(`(?s)^PROXY (?:(UNKNOWN)(?: [^\r\n]*)?|TCP(4|6) ([^ \r\n]*) ([^ \r\n]*) (0|[1-9][0-9]*) (0|[1-9][0-9]*))\r\n`)

func readProxySlowly(in []byte) (s slowProxy) {
	if rest, found := bytes.CutPrefix(in, []byte(proxySignature)); found {
		return readBinarySlowly(in, rest)
	}
	m := proxyLine.FindSubmatch(in)
	if m == nil || len(m[0]) > 107 {
		return s
	}
	if len(m[1]) > 0 {
		return slowProxy{n: len(m[0]), kind: ProxyUnknown}
	}
	from, err1 := netip.ParseAddr(string(m[3]))
	to, err2 := netip.ParseAddr(string(m[4]))
	fromPort, err3 := strconv.ParseUint(string(m[5]), 10, 16)
	toPort, err4 := strconv.ParseUint(string(m[6]), 10, 16)
	v6 := string(m[2]) == "6"
	if errors.Join(err1, err2, err3, err4) != nil || from.Is6() != v6 || to.Is6() != v6 || from.Zone() != "" || to.Zone() != "" {
		return s
	}
	s = slowProxy{n: len(m[0]), kind: ProxyTCP4}
	if v6 {
		s.kind = ProxyTCP6
	}
	s.source = netip.AddrPortFrom(from.Unmap(), uint16(fromPort))
	s.destination = netip.AddrPortFrom(to.Unmap(), uint16(toPort))
	return s
}

func readBinarySlowly(in, rest []byte) (s slowProxy) {
	if len(rest) < 4 {
		return s
	}
	length := int(binary.BigEndian.Uint16(rest[2:]))
	if rest[0]&^1 != 0x20 || 16+length > DefaultProxyBytes || len(rest) < 4+length {
		return s
	}
	body := rest[4 : 4+length]
	if rest[0] == 0x20 {
		return slowProxy{n: 16 + length, kind: ProxyLocal}
	}
	sizes := map[byte]int{
		0x00: 0, 0x01: 0, 0x02: 0, 0x10: 12, 0x11: 12, 0x12: 12, 0x20: 36, 0x21: 36, 0x22: 36, 0x30: 216, 0x31: 216, 0x32: 216,
	}
	size, defined := sizes[rest[1]]
	if !defined {
		return s
	}
	s = slowProxy{n: 16 + length, kind: ProxyUnknown}
	if rest[1]&15 != 1 || rest[1] == 0x01 {
		return s
	}
	if length < size || !slowTLVs(in[:16+length], 16+size) {
		return slowProxy{}
	}
	if size == 216 {
		s.kind = ProxyUnix
		return s
	}
	s.kind = ProxyTCP4
	if size == 36 {
		s.kind = ProxyTCP6
	}
	half := (size - 4) / 2
	from, _ := netip.AddrFromSlice(body[:half])
	to, _ := netip.AddrFromSlice(body[half : 2*half])
	s.source = netip.AddrPortFrom(from.Unmap(), binary.BigEndian.Uint16(body[2*half:]))
	s.destination = netip.AddrPortFrom(to.Unmap(), binary.BigEndian.Uint16(body[2*half+2:]))
	return s
}

// slowTLVs judges the TLVs of head from offset at on.
func slowTLVs(head []byte, at int) bool {
	for at < len(head) {
		if len(head)-at < 3 {
			return false
		}
		n := int(head[at+1])<<8 | int(head[at+2])
		end := at + 3 + n
		if end > len(head) {
			return false
		}
		switch head[at] {
		case 0x03:
			copied := slices.Clone(head)
			if n != 4 {
				return false
			}
			want := binary.BigEndian.Uint32(copied[at+3:])
			clear(copied[at+3 : end])
			if crc32.Checksum(copied, crc32.MakeTable(crc32.Castagnoli)) != want {
				return false
			}
		case 0x05:
			if n > 128 {
				return false
			}
		case 0x20:
			for inner := at + 8; n < 5 || inner < end; {
				if n < 5 || end-inner < 3 {
					return false
				}
				if inner += 3 + int(head[inner+1])<<8 + int(head[inner+2]); inner > end {
					return false
				}
			}
		}
		at = end
	}
	return true
}
