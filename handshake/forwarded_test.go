package handshake

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec/codectest"
)

// A case wants one of "peer", "forwarded" and "hidden", and the address. Its options are
// peer, trusted (comma-separated) and field.
func TestForwardedVectors(t *testing.T) {
	for _, c := range codectest.Load(t, "testdata/forwarded") {
		t.Run(c.Name, func(t *testing.T) {
			f := Forwarding{Trusted: trusted(t, listOption(&c, "trusted")...), Field: c.Options["field"]}
			r := parse(t, "GET / HTTP/1.1\r\nHost: a\r\n"+string(c.In)+"\r\n")
			peer := netip.MustParseAddrPort(c.Options["peer"])
			client, source := f.Client(r, peer)
			if got := fmt.Sprintf("%v %v", source, client); got != c.Want[0] {
				t.Errorf("got %s, want %s", got, c.Want[0])
			}
			if n := testing.AllocsPerRun(5, func() { f.Client(r, peer) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// Very long lists end at the limit of the head; within it, only as much is read as is
// trusted (W79).
func TestForwardedLongW79(t *testing.T) {
	f := Forwarding{Trusted: trusted(t, "*")}
	peer := netip.MustParseAddrPort("10.0.0.1:1")
	for name, c := range map[string]struct{ element, want string }{
		"empty":     {",", "peer 10.0.0.1:1"},
		"addresses": {"1.2.3.4,", "forwarded 1.2.3.4:0"},
		"garbage":   {"\",", "hidden 10.0.0.1:1"},
		"escapes":   {"\\", "hidden 10.0.0.1:1"},
	} {
		for _, field := range []string{"X-Forwarded-For", "Forwarded"} {
			f.Field = field
			element := c.element
			if field == "Forwarded" {
				element = strings.ReplaceAll(element, "1.2.3.4", "for=1.2.3.4")
			}
			head := "GET / HTTP/1.1\r\nHost: a\r\n" + field + ": " + strings.Repeat(element, 10_000) + "\r\n\r\n"
			var r Request
			if _, err := r.Parse([]byte(head), nil); !errors.Is(err, ErrHeadTooLarge) {
				t.Errorf("%s %s: %v", field, name, err)
			}
			if client, source := f.Client(&r, peer); client != peer || source != ClientIsPeer {
				t.Errorf("%s %s: a refused head gave %v", field, name, client)
			}
			r.Reset()
			if _, err := r.Parse([]byte(head), &Limits{HeadBytes: 1 << 20, LineBytes: 1 << 20}); err != nil {
				t.Fatal(err)
			}
			client, source := f.Client(&r, peer)
			if got := fmt.Sprintf("%v %v", source, client); got != c.want {
				t.Errorf("%s %s: %s, want %s", field, name, got, c.want)
			}
		}
	}
}

func TestForwardingCheck(t *testing.T) {
	for field, ok := range map[string]bool{"": true, "Forwarded": true, "X-Real-IP": true, "X Real": false, "X:": false, "é": false} {
		f := Forwarding{Field: field}
		err := f.Check()
		var config *ConfigError
		if (err == nil) != ok || err != nil && (!errors.As(err, &config) || config.Entry != field) {
			t.Errorf("%q gave %v", field, err)
		}
	}
}

// FuzzForwarded: whatever a client wrote, in a field of its own or in the one that the
// proxy appends to, the address that the proxy appended is the client's. And a list is
// read as a slow reader reads it.
func FuzzForwarded(f *testing.F) {
	for _, c := range codectest.Load(f, "testdata/forwarded") {
		_, value, _ := strings.Cut(strings.TrimSuffix(string(c.In), "\r\n"), ":")
		f.Add(value, value)
	}
	f.Add(`for="`, `for="\`)
	f.Fuzz(func(t *testing.T, first, second string) {
		if strings.ContainsAny(first+second, "\r\n") {
			return // more than two values
		}
		peer := netip.MustParseAddrPort("10.0.0.1:5000")
		client := netip.MustParseAddrPort("[2001:db8::7]:4711")
		for field, appended := range map[string]string{
			"X-Forwarded-For": "[2001:db8::7]:4711", "Forwarded": `by=_x;for="[2001:db8::7]:4711";ext="a, \"b\\"`,
		} {
			set := Forwarding{Trusted: trusted(t, "10.0.0.0/8"), Field: field}
			for _, spoofed := range []string{
				first + "\r\n" + field + ": " + second, first + "\r\n" + field + ": " + second + ", " + appended,
				first + "\r\n" + field + ": " + second + "\r\n" + field + ":" + appended,
			} {
				var r Request
				head := "GET / HTTP/1.1\r\nHost: a\r\n" + field + ": " + spoofed + "\r\n\r\n"
				if n, err := r.Parse([]byte(head), nil); err != nil || n != len(head) {
					return // not values of a field
				}
				got, source := set.Client(&r, peer)
				if strings.HasSuffix(spoofed, appended) && (got != client || source != ClientForwarded) {
					t.Fatalf("%q gave %v %v", spoofed, source, got)
				}
				if field == "X-Forwarded-For" {
					if want, wantSource := readListSlowly(&set, r.Values(field), peer); got != want || source != wantSource {
						t.Fatalf("%q gave %v %v, slowly %v %v", spoofed, source, got, wantSource, want)
					}
				}
			}
		}
	})
}

// readListSlowly is the rule of Client, written over a joined list and netip.
func readListSlowly(f *Forwarding, values func(func([]byte) bool), peer netip.AddrPort) (netip.AddrPort, ClientSource) {
	var list []string
	for value := range values {
		for element := range strings.SplitSeq(string(value), ",") {
			if element = strings.Trim(element, " \t"); element != "" {
				list = append(list, element)
			}
		}
	}
	client, source := peer, ClientIsPeer
	for len(list) > 0 && f.Trusted.Contains(client.Addr()) {
		last := list[len(list)-1]
		list = list[:len(list)-1]
		address, err := netip.ParseAddr(last)
		node := netip.AddrPortFrom(address.Unmap(), 0)
		if err != nil && strings.HasPrefix(last, "[") && strings.HasSuffix(last, "]") {
			if address, err = netip.ParseAddr(last[1 : len(last)-1]); err == nil && address.Is4() {
				err = errors.New("IPv4 in brackets")
			}
			node = netip.AddrPortFrom(address.Unmap(), 0)
		}
		if host, pseudonym, found := strings.Cut(last, ":_"); err != nil && found {
			if all(pseudonym, classHost) {
				last = host + ":0"
			}
		}
		if err != nil {
			node, err = netip.ParseAddrPort(last)
			if len(last)-strings.LastIndexByte(last, ':') > len(":65535") {
				err = errors.New("a port of more than five digits")
			}
			address = node.Addr()
			node = netip.AddrPortFrom(address.Unmap(), node.Port())
		}
		if err != nil || address.Zone() != "" {
			return client, ClientHidden
		}
		client, source = node, ClientForwarded
	}
	return client, source
}

func BenchmarkForwarded(b *testing.B) {
	for field, value := range map[string]string{
		"X-Forwarded-For": "198.51.100.9, 192.0.2.7, 10.0.0.2",
		"Forwarded":       `for=198.51.100.9, for="[2001:db8::7]:4711";proto=https, for=10.0.0.2`,
	} {
		b.Run(field, func(b *testing.B) {
			f := Forwarding{Trusted: trusted(b, "10.0.0.0/8"), Field: field}
			r := parse(b, "GET / HTTP/1.1\r\nHost: a\r\n"+field+": "+value+"\r\n\r\n")
			peer := netip.MustParseAddrPort("10.0.0.1:1")
			b.ReportAllocs()
			for b.Loop() {
				if _, source := f.Client(r, peer); source != ClientForwarded {
					b.Fatal(source)
				}
			}
		})
	}
}
