package handshake

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec/codectest"
)

// The events a case may want:
//
//	more                              the header is not complete
//	refuse missing|malformed|unsupported|too-large
//	v1|v2 local|unknown               the kind
//	v1|v2 TCP4|TCP6 ADDR ADDR         with source and destination
//	v2 unix "path" "path"             the same
//	tlv N "value"                     each of type N, in order
//	tls [used] [certificate] [verified]
//	tls N "value"                     what stands within
//	rest BYTES                        what follows the header
//
// and its option: limit, of the header's bytes.
func TestProxyVectors(t *testing.T) {
	for _, c := range codectest.Load(t, "testdata/proxy") {
		t.Run(c.Name, func(t *testing.T) {
			failed := -1
			for lengths := range codectest.Cuts(len(c.In)) {
				runProxyVector(t, &c, lengths, &failed)
				if t.Failed() {
					t.Fatalf("%s cut as %v", &c, lengths)
				}
			}
		})
	}
}

func runProxyVector(t *testing.T, c *codectest.Case, lengths []int, failed *int) {
	limit := 0
	if text := c.Options["limit"]; text != "" {
		limit, _ = strconv.Atoi(text)
	}
	var p ProxyHeader
	var head []byte
	var n int
	var err error
	for piece := range codectest.Pieces(c.In, lengths) {
		old := head
		head = append(slices.Clip(slices.Clone(old)), piece...)
		clear(old)
		if n, err = p.Parse(head, limit); n > 0 || err != nil {
			break
		}
	}
	checkProxyEvents(t, c, &p, n, err)
	switch {
	case err != nil:
		if *failed < 0 {
			*failed = p.Scanned()
		}
		if p.Scanned() != *failed {
			t.Errorf("failed at %d, whole at %d", p.Scanned(), *failed)
		}
		if _, again := p.Parse(c.In, limit); again != err {
			t.Errorf("error %v, then %v", err, again)
		}
		if p.Kind() != ProxyIncomplete || p.Source().IsValid() || p.Destination().IsValid() {
			t.Errorf("refused, yet %v from %v", p.Kind(), p.Source())
		}
	case n > 0:
		if again, err := p.Parse(head, limit); again != n || err != nil || p.Scanned() != n {
			t.Errorf("a complete header gave %d, %v, then %d, of which %d were read", again, err, n, p.Scanned())
		}
	}
}

func checkProxyEvents(t *testing.T, c *codectest.Case, p *ProxyHeader, n int, err error) {
	var got []string
	var fault *ProxyError
	switch {
	case errors.As(err, &fault):
		got = append(got, "refuse "+proxyFaultName(fault))
	case n == 0:
		got = append(got, "more")
	default:
		got = append(got, describeProxy(p))
	}
	for typ, value := range p.TLVs() {
		if first, _ := p.TLV(typ); !slices.Equal(first, value) && typ != 0xea {
			t.Errorf("TLV %d is %q, then %q", typ, value, first)
		}
		if typ != TLVTLS {
			got = append(got, fmt.Sprintf("tlv %d %q", typ, value))
		}
	}
	if tls, ok := p.TLS(); ok {
		got = append(got, describeTLS(tls))
		for typ := range TLVType(255) {
			if value, ok := tls.TLV(typ); ok {
				got = append(got, fmt.Sprintf("tls %d %q", typ, value))
			}
		}
	}
	if n > 0 && n < len(c.In) {
		got = append(got, fmt.Sprintf("rest %q", c.In[n:]))
	}
	// A case tells the TLVs that it is about.
	for _, want := range c.Want {
		if !slices.Contains(got, want) {
			t.Errorf("got %q (%v), want %s", got, err, want)
		}
	}
	if got[0] != c.Want[0] {
		t.Errorf("got %s first (%v), want %s", got[0], err, c.Want[0])
	}
}

func proxyFaultName(fault *ProxyError) string {
	for kind, name := range map[error]string{
		ErrProxyMissing: "missing", ErrProxyMalformed: "malformed", ErrProxyUnsupported: "unsupported", ErrProxyTooLarge: "too-large",
	} {
		if errors.Is(fault, kind) {
			return name
		}
	}
	return "for no reason"
}

func describeProxy(p *ProxyHeader) string {
	text := fmt.Sprintf("v%d %v", p.Version(), p.Kind())
	if source, destination := p.Source(), p.Destination(); source.IsValid() {
		text += fmt.Sprintf(" %v %v", source, destination)
	}
	if source, destination := p.Paths(); source != nil {
		text += fmt.Sprintf(" %q %q", source, destination)
	}
	return text
}

func describeTLS(t ProxyTLS) string {
	text := "tls"
	if t.Used {
		text += " used"
	}
	if t.Certificate {
		text += " certificate"
	}
	if t.Verified {
		text += " verified"
	}
	return text
}

func TestProxyHeaderIncomplete(t *testing.T) {
	p := ProxyHeader{version: 2, pos: 3}
	p.Reset()
	if _, ok := p.TLS(); ok || p.Kind() != ProxyIncomplete || p.Version() != 0 || p.Scanned() != 0 {
		t.Errorf("after a reset: %+v", p)
	}
	if from, to := p.Paths(); from != nil || to != nil {
		t.Errorf("paths %q and %q", from, to)
	}
	whole := proxyBytes(t, `0d0a0d0a000d0a515549540a 21 11 000f 0a000001 0a000002 0001 0002 04 0000`)
	if _, err := p.Parse(whole, 0); err != nil {
		t.Fatal(err)
	}
	// The bytes of a complete header may be gone; what it says stays.
	if n, err := p.Parse(whole[:5], 0); n != 0 || err != nil || p.Source().Port() != 1 {
		t.Errorf("without its bytes: %d, %v, %v", n, err, p.Source())
	}
	for range p.TLVs() {
		break
	}
}

func proxyBytes(t testing.TB, expr string) []byte {
	b, err := codectest.Bytes(expr)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The longest header that there is, for who wants it (W80).
func TestProxyLongestW80(t *testing.T) {
	whole := proxyBytes(t, `0d0a0d0a000d0a515549540a 21 11 ffff 0a000001 0a000002 0001 0002 ee fff0 00*65520 "GET"`)
	var p ProxyHeader
	for _, end := range []int{0, 15, 16, 28, 31, 65550} {
		if n, err := p.Parse(whole[:end], 1<<20); n != 0 || err != nil {
			t.Fatalf("%d bytes: %d, %v", end, n, err)
		}
	}
	if n, err := p.Parse(whole, 1<<20); n != 65551 || err != nil || p.Source().Port() != 1 {
		t.Errorf("%d, %v, %v", n, err, p.Source())
	}
}

// A header on a port that was not told to expect one is a malformed request (W80).
func TestProxyHeaderIsNoRequestW80(t *testing.T) {
	for _, c := range codectest.Load(t, "testdata/proxy") {
		if strings.HasPrefix(c.Want[0], "v") {
			var r Request
			if _, err := r.Parse(c.In, nil); !errors.Is(err, ErrBadRequest) {
				t.Errorf("%s: %v", &c, err)
			}
		}
	}
}

func TestProxyErrors(t *testing.T) {
	var p ProxyHeader
	_, err := p.Parse([]byte("GET / HTTP/1.1\r\n"), 0)
	if err == nil || !strings.HasPrefix(err.Error(), "handshake: PROXY header: ") || strings.Contains(err.Error(), "GET") {
		t.Errorf("got %v", err)
	}
	for text, got := range map[string]fmt.Stringer{
		"incomplete": ProxyIncomplete, "unix": ProxyUnix, "invalid": ProxyKind(6),
		"off": ProxyOff, "required": ProxyRequired, "hidden": ClientHidden,
	} {
		if got.String() != text {
			t.Errorf("%v, want %s", got, text)
		}
	}
	if ProxyMode(3).String() != "invalid" || ClientSource(3).String() != "invalid" {
		t.Error("an unknown value has a name")
	}
}

func TestProxyAllocatesNothing(t *testing.T) {
	for _, c := range codectest.Load(t, "testdata/proxy") {
		var p ProxyHeader
		n := testing.AllocsPerRun(10, func() {
			p.Reset()
			for end := 0; end <= len(c.In); end += max(1, len(c.In)/10) {
				_, _ = p.Parse(c.In[:end], 65551)
			}
			_, _ = p.Parse(c.In, 65551)
			for typ, value := range p.TLVs() {
				_, _ = typ, value
			}
			if tls, ok := p.TLS(); ok {
				_, _ = tls.TLV(TLVCipher)
			}
			_, _ = p.Paths()
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", &c, n)
		}
	}
}

func BenchmarkProxy(b *testing.B) {
	for name, head := range map[string][]byte{
		"v1": []byte("PROXY TCP6 2001:db8:85a3::8a2e:370:7334 2001:db8::1 56324 443\r\n"),
		"v2": proxyBytes(b, `0d0a0d0a000d0a515549540a 20 00 0007 03 0004 a9b87e8f`),
	} {
		b.Run(name, func(b *testing.B) {
			var p ProxyHeader
			b.ReportAllocs()
			for b.Loop() {
				p.Reset()
				if n, err := p.Parse(head, 0); n != len(head) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// netip is the reference for addresses.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{
		"", "1.2.3.4", "01.2.3.4", "256.1.1.1", "255.255.255.255", "1.2.3", "1.2.3.4.", "::", "::1", "1::", "1::2", "1:2:3:4:5:6:7:8",
		"1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1::1.2.3.4", "FFFF::aBcD", "fe80::1%eth0", ":", "1:",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := netip.ParseAddr(s)
		is4, is6 := err == nil && want.Is4(), err == nil && want.Is6() && want.Zone() == ""
		if got, ok := parseIPv4([]byte(s)); ok != is4 || ok && got != want {
			t.Errorf("%q as IPv4: %v, %v; netip says %v (%v)", s, got, ok, want, err)
		}
		if got, ok := parseIPv6([]byte(s)); ok != is6 || ok && got != want {
			t.Errorf("%q as IPv6: %v, %v; netip says %v (%v)", s, got, ok, want, err)
		}
	})
}
