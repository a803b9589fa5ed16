//go:build linux || darwin || freebsd

package proxydriver_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/proxydriver"
	"github.com/wsloop/wsloop/poller/sim"
)

// headers are of every kind that is accepted.
var headers = []struct {
	name string
	head []byte
	kind handshake.ProxyKind
	from string // empty: the socket's
}{
	{"v1-tcp4", version1(client, destination), handshake.ProxyTCP4, "203.0.113.7:4711"},
	{"v1-tcp6", []byte("PROXY TCP6 2001:db8::1:2 2001:db8::9 65535 443\r\n"), handshake.ProxyTCP6, "[2001:db8::1:2]:65535"},
	{"v1-tcp6-mapped", []byte("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::9 1 443\r\n"), handshake.ProxyTCP6, "192.0.2.1:1"},
	{"v1-unknown", []byte("PROXY UNKNOWN\r\n"), handshake.ProxyUnknown, ""},
	{"v1-longest", []byte("PROXY UNKNOWN " + string(bytes.Repeat([]byte("f"), 107-16)) + "\r\n"), handshake.ProxyUnknown, ""},
	{"v2-tcp4", version2(client, destination), handshake.ProxyTCP4, "203.0.113.7:4711"},
	{"v2-tcp6", version2(netip.MustParseAddrPort("[2001:db8::7]:1"), netip.MustParseAddrPort("[::2]:2")), handshake.ProxyTCP6, "[2001:db8::7]:1"},
	{"v2-tlvs", version2With(client, destination, append([]byte{0xee, 0, 100}, make([]byte, 100)...)), handshake.ProxyTCP4, "203.0.113.7:4711"},
	{"v2-local", version2Of(0x20, 0, nil), handshake.ProxyLocal, ""},
	{"v2-unspecified", version2Of(0x21, 0, []byte("whatever")), handshake.ProxyUnknown, ""},
	{"v2-unix", version2Of(0x21, 0x31, make([]byte, 216)), handshake.ProxyUnix, ""},
}

// Each kind comes cut at every offset, with and without bytes behind it: it is opened with its last byte and not before, and
// what comes with that byte is presented on the same turn.
func TestHeaderCutAtEveryOffset(t *testing.T) {
	for _, test := range headers {
		t.Run(test.name, func(t *testing.T) {
			all := append(bytes.Clone(test.head), "hello, world"...)
			run(t, sim.Options{}, required(t), func(w *world) {
				for cut := range len(all) + 1 {
					p := w.dial()
					before := len(w.sessions)
					p.Send(all[:cut])
					w.Settle()
					if opened, want := len(w.sessions) > before, cut >= len(test.head); opened != want {
						t.Fatalf("after %d of %d bytes: opened is %v", cut, len(test.head), opened)
					}
					p.Send(all[cut:])
					w.Settle()
					checkSession(t, w.sessions[before], p, test.kind, test.from)
					if got := w.sessions[before].got; string(got) != "hello, world" {
						t.Fatalf("cut at %d: got %q", cut, got)
					}
					if s := w.sessions[before]; s.turn != s.dataTurn && cut != len(test.head) {
						t.Fatalf("cut at %d: Open on turn %d, Data on turn %d", cut, s.turn, s.dataTurn)
					}
					p.Close()
					w.Settle()
				}
				w.expectCounts(fmt.Sprintf("headers=%d", len(all)+1))
			})
		})
	}
}

func checkSession(t testing.TB, s *session, p *sim.Peer, kind handshake.ProxyKind, from string) {
	t.Helper()
	want := p.Addr()
	if from != "" {
		want = netip.MustParseAddrPort(from)
	}
	if s.addr != want {
		t.Fatalf("opened with the address %v, want %v", s.addr, want)
	}
	if s.kind != kind || !s.relayed {
		t.Fatalf("opened as %v, %v, want %v", s.kind, s.relayed, kind)
	}
}

func TestHeaderByteByByte(t *testing.T) {
	for _, test := range headers {
		t.Run(test.name, func(t *testing.T) {
			run(t, sim.Options{Seed: 1}, required(t), func(w *world) {
				p := w.Dial()
				p.Cut(sim.CutBytes)
				p.Send(append(bytes.Clone(test.head), "data"...))
				p.CloseWrite()
				w.Settle()
				checkSession(t, w.sessions[0], p, test.kind, test.from)
				if s := w.sessions[0]; string(s.got) != "data" || !s.eof {
					t.Errorf("got %q, EOF %v", s.got, s.eof)
				}
			})
		})
	}
}

// A limit below the longest line of version 1 does not hold for it.
func TestHeaderOfTheLargestSize(t *testing.T) {
	o := required(t)
	o.Policy.HeaderBytes = 64
	run(t, sim.Options{}, o, func(w *world) {
		longest := []byte("PROXY UNKNOWN " + string(bytes.Repeat([]byte("f"), 107-16)) + "\r\n")
		fits := version2With(client, destination, append([]byte{0xee, 0, 33}, make([]byte, 33)...))
		for i, head := range [][]byte{longest, fits} {
			for _, cut := range []int{1, 50, len(head) - 1} {
				p := w.dial()
				p.Send(head[:cut])
				w.Settle()
				p.Send(append(bytes.Clone(head[cut:]), bytes.Repeat([]byte("x"), 1000)...))
				w.Settle()
				if n := len(w.sessions); n == 0 || len(w.sessions[n-1].got) != 1000 {
					t.Fatalf("header %d cut at %d: %d connections", i, cut, n)
				}
			}
		}
		w.expectCounts("headers=6")
		p := w.dial()
		p.Send(version2With(client, destination, append([]byte{0xee, 0, 34}, make([]byte, 34)...))[:16])
		w.Settle()
		w.expectClosedUnseen(p, 6)
		w.expectCounts("headers=6 too-large=1")
	})
}

func TestHeaderRefused(t *testing.T) {
	for _, test := range []struct{ name, head, want string }{
		{"Missing", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "missing=1"},
		{"MissingLate", "PROXIES", "missing=1"},
		{"TLS", "\x16\x03\x01\x02\x00\x01", "missing=1"},
		{"Malformed", "PROXY TCP4 203.0.113.7 198.51.100.1 04711 443\r\n", "malformed=1"},
		{"Unsupported", "PROXY UDP4 203.0.113.7 198.51.100.1 4711 443\r\n", "unsupported=1"},
		{"UnsupportedVersion", "\r\n\r\n\x00\r\nQUIT\n\x31", "unsupported=1"},
		{"LineTooLarge", "PROXY UNKNOWN " + string(bytes.Repeat([]byte("f"), 107)), "too-large=1"},
		{"TooLarge", string(version2With(client, destination, append([]byte{0xee, 0xf0, 0}, make([]byte, 0xf000)...))), "too-large=1"},
		{"Twice", string(version1(client, destination)), "headers=1"}, // the second is data
	} {
		for _, cut := range []sim.Cut{sim.CutNowhere, sim.CutBytes} {
			t.Run(fmt.Sprintf("%s/%d", test.name, cut), func(t *testing.T) {
				run(t, sim.Options{}, required(t), func(w *world) {
					p := w.Dial()
					p.Cut(cut)
					p.Send([]byte(test.head))
					if test.name == "Twice" {
						p.Send([]byte(test.head))
						w.Settle()
						if len(w.sessions) != 1 || string(w.sessions[0].got) != test.head {
							t.Errorf("%d connections", len(w.sessions))
						}
						w.expectCounts(test.want)
						return
					}
					w.Settle()
					w.expectClosedUnseen(p, 0)
					w.expectCounts(test.want)
					if w.driver.Stats().LastRefused() == nil {
						t.Error("no reason is kept")
					}
				})
			})
		}
	}
}

// The connection ends before the header does.
func TestHeaderCutOff(t *testing.T) {
	head := version2(client, destination)
	for name, end := range map[string]func(*sim.Peer){
		"FIN": (*sim.Peer).CloseWrite, "Close": (*sim.Peer).Close, "RST": (*sim.Peer).Reset,
	} {
		t.Run(name, func(t *testing.T) {
			run(t, sim.Options{}, required(t), func(w *world) {
				for n := range len(head) {
					p := w.dial()
					w.Settle()
					p.Send(head[:n])
					w.Settle()
					end(p)
					w.Settle()
					w.expectClosedUnseen(p, 0)
				}
				w.expectCounts(fmt.Sprintf("gone=%d", len(head)))
			})
		})
	}
}

// A connection that is reset before it is accepted has no address. That is not one that is trusted, so no header is expected; where only
// trusted ones may connect, it is closed.
func TestResetBeforeAccept(t *testing.T) {
	for _, mode := range []handshake.ProxyMode{handshake.ProxyFromTrusted, handshake.ProxyRequired} {
		t.Run(mode.String(), func(t *testing.T) {
			run(t, sim.Options{Seed: 3}, proxydriver.Options{Policy: policy(t, mode, proxies)}, func(w *world) {
				for range 200 {
					p := w.dial()
					for range w.Random().IntN(4) {
						w.Step()
					}
					p.Reset()
					w.Settle()
				}
				for _, s := range w.sessions {
					if s.addr.IsValid() || s.relayed {
						t.Errorf("opened for %v, relayed %v", s.addr, s.relayed)
					}
				}
				gone, opened := w.driver.Stats().Gone.Load(), len(w.sessions)
				if gone == 0 || (opened > 0) != (mode == handshake.ProxyFromTrusted) || w.driver.Stats().NotAdmitted.Load() != 0 {
					t.Errorf("%d gone, %d opened", gone, opened)
				}
			})
		})
	}
}

func TestStopWhileWaiting(t *testing.T) {
	o := required(t)
	run(t, sim.Options{Loops: 2}, o, func(w *world) {
		for range 5 {
			w.dial().Send([]byte("PROXY"))
		}
		w.Settle()
		w.expectCounts("waiting=5")
		w.driver.StopAccepting()
		w.driver.Stop()
	})
}

// A header trickles in. It has Options.Timeout in all, whatever comes meanwhile; one that comes in time is none the worse for waiting.
func TestSlowHeader(t *testing.T) {
	o := required(t)
	o.Timeout = 5 * time.Second
	run(t, sim.Options{}, o, func(w *world) {
		head := version1(client, destination)
		slow := w.dial()
		for _, c := range head[:4] {
			slow.Send([]byte{c})
			w.Advance(time.Second)
		}
		intime := w.dial()
		intime.Send(head[:10])
		silent := w.dial()
		w.Settle()
		w.expectCounts("waiting=3")
		w.Advance(time.Second - time.Millisecond)
		if slow.State() != sim.Open {
			t.Fatalf("closed too early, at %v", w.Now())
		}
		w.Advance(poller.TickInterval + time.Millisecond)
		w.expectClosedUnseen(slow, 0)
		w.expectCounts("timed-out=1 waiting=2")
		w.Advance(3 * time.Second)
		intime.Send(head[10:])
		w.Settle()
		w.expectCounts("headers=1 timed-out=1 waiting=1")
		w.Advance(time.Hour)
		w.expectClosedUnseen(silent, 1)
		w.expectCounts("headers=1 timed-out=2")
		if intime.State() != sim.Open {
			t.Errorf("the one that was read is %v", intime.State())
		}
	})
}

// Connections leave the list of those that wait in any order, and the others still time out in theirs.
func TestManyWait(t *testing.T) {
	run(t, sim.Options{Seed: 5}, required(t), func(w *world) {
		const most = 3000 // more than are kept in reserve
		var peers []*sim.Peer
		for round := range 3 {
			peers = peers[:0]
			for range most {
				p := w.dial()
				p.Send([]byte("PRO"))
				peers = append(peers, p)
			}
			w.Settle()
			w.Random().Shuffle(most, func(i, j int) { peers[i], peers[j] = peers[j], peers[i] })
			for _, p := range peers[:most/2] {
				p.Send([]byte("XY UNKNOWN\r\n"))
			}
			for _, p := range peers[most/2 : most*2/3] {
				p.CloseWrite()
			}
			w.Settle()
			if n := w.driver.Stats().Waiting.Load(); n != most/3 {
				t.Fatalf("%d wait, want %d", n, most/3)
			}
			w.Advance(10*time.Second + poller.TickInterval)
			w.expectCounts(fmt.Sprintf("headers=%d timed-out=%d gone=%d", (round+1)*most/2, (round+1)*most/3, (round+1)*most/6))
			for _, p := range peers[:most/2] {
				if p.State() != sim.Open {
					t.Fatalf("one that was read is %v", p.State())
				}
				p.Close()
			}
			w.Settle()
		}
	})
}

// What a connection holds while it waits is what came of its header.
func TestHeldWhileWaiting(t *testing.T) {
	run(t, sim.Options{}, required(t), func(w *world) {
		head := version2With(client, destination, append([]byte{0xee, 0x0f, 0}, make([]byte, 0x0f00)...))
		p := w.dial()
		w.Settle()
		if n := w.meter.Load(); n != 0 {
			t.Errorf("%d bytes before the first", n)
		}
		p.Send(head[:20])
		w.Settle()
		if n := w.meter.Load(); n != 64 {
			t.Errorf("%d bytes for 20", n)
		}
		p.Send(head[20:100])
		w.Settle()
		w.Advance(time.Second) // what is kept in reserve goes
		if n := w.meter.Load(); n != 128 {
			t.Errorf("%d bytes for 100", n)
		}
		p.Send(head[100 : len(head)-1])
		w.Settle()
		w.Advance(time.Second)
		if n := w.meter.Load(); n != 4096 {
			t.Errorf("%d bytes for %d", n, len(head)-1)
		}
		w.opens = func(*recorder, *session) {
			if n := w.meter.Load(); n > 4096 {
				t.Errorf("%d bytes in Open: more than the header was taken in", n)
			}
		}
		p.Send(append(head[len(head)-1:], bytes.Repeat([]byte("x"), 10_000)...))
		w.Settle()
		w.Advance(time.Second)
		if n := w.meter.Load(); n != 0 || len(w.sessions[0].got) != 10_000 {
			t.Errorf("%d bytes behind the header, %d of data", n, len(w.sessions[0].got))
		}
	})
}

// Who may connect, and who sends headers.
func TestPolicies(t *testing.T) {
	for _, test := range []struct {
		mode    handshake.ProxyMode
		from    string
		want    string // counters
		address string // of the connection; empty: it is not opened
	}{
		{handshake.ProxyOff, "10.1.1.1:1", "", "10.1.1.1:1"},
		{handshake.ProxyFromTrusted, "10.1.1.1:1", "headers=1", "203.0.113.7:4711"},
		{handshake.ProxyFromTrusted, "11.1.1.1:1", "", "11.1.1.1:1"},
		{handshake.ProxyRequired, "10.1.1.1:1", "headers=1", "203.0.113.7:4711"},
		{handshake.ProxyRequired, "11.1.1.1:1", "not-admitted=1", ""},
	} {
		t.Run(fmt.Sprintf("%v/%s", test.mode, test.from), func(t *testing.T) {
			o := proxydriver.Options{}
			if test.mode != handshake.ProxyOff {
				o.Policy = policy(t, test.mode, proxies)
			}
			run(t, sim.Options{}, o, func(w *world) {
				p := w.DialFrom(netip.MustParseAddrPort(test.from))
				p.Send(version1(client, destination))
				w.Settle()
				w.expectCounts(test.want)
				if test.address == "" {
					w.expectClosedUnseen(p, 0)
					return
				}
				s := w.sessions[0]
				if s.addr != netip.MustParseAddrPort(test.address) || s.relayed != (test.want != "") {
					t.Errorf("opened with %v, %v", s.addr, s.relayed)
				}
				if header := string(s.got) == string(version1(client, destination)); header == s.relayed {
					t.Errorf("the header was read: %v, and came as data: %v", s.relayed, header)
				}
			})
		})
	}
}

// In Open the handler pauses, closes or leaves bytes: that is as if they had come later.
func TestOpenWithData(t *testing.T) {
	all := append(version1(client, destination), "0123456789"...)
	whole := func(w *world) *sim.Peer {
		p := w.dial()
		p.Send(all)
		w.Settle()
		return p
	}
	t.Run("Paused", func(t *testing.T) {
		run(t, sim.Options{}, required(t), func(w *world) {
			var loop poller.Loop
			w.opens = func(h *recorder, s *session) {
				loop = h.loop
				h.loop.Pause(s.token)
			}
			whole(w)
			if s := w.sessions[0]; s.dataTurn != 0 {
				t.Fatalf("Data %q while paused", s.got)
			}
			loop.Resume(w.sessions[0].token)
			w.Advance(time.Second)
			if s := w.sessions[0]; string(s.got) != "0123456789" {
				t.Errorf("got %q", s.got)
			}
		})
	})
	t.Run("PausedAndResumed", func(t *testing.T) {
		run(t, sim.Options{}, required(t), func(w *world) {
			w.opens = func(h *recorder, s *session) {
				h.loop.Pause(s.token)
				h.loop.Resume(s.token)
			}
			whole(w)
			if s := w.sessions[0]; string(s.got) != "0123456789" || s.turn != s.dataTurn {
				t.Errorf("got %q on turn %d, opened on %d", s.got, s.dataTurn, s.turn)
			}
		})
	})
	t.Run("OfAnother", func(t *testing.T) {
		run(t, sim.Options{}, required(t), func(w *world) {
			w.opens = func(h *recorder, s *session) {
				other := poller.MakeToken(s.token.Slot(), s.token.Generation()+1)
				h.loop.Pause(other)
				h.loop.Close(other, errTest)
			}
			whole(w)
			if s := w.sessions[0]; string(s.got) != "0123456789" || s.closed || s.turn != s.dataTurn {
				t.Errorf("got %q on turn %d, opened on %d, closed %v", s.got, s.dataTurn, s.turn, s.closed)
			}
		})
	})
	t.Run("Closed", func(t *testing.T) {
		run(t, sim.Options{}, required(t), func(w *world) {
			w.opens = func(h *recorder, s *session) { h.loop.Close(s.token, errTest) }
			for range 3 {
				whole(w)
			}
			for _, s := range w.sessions {
				if s.dataTurn != 0 || !s.closed || !errors.Is(s.err, errTest) {
					t.Errorf("got %q, closed %v with %v", s.got, s.closed, s.err)
				}
			}
		})
	})
	t.Run("ConsumedPartly", func(t *testing.T) {
		run(t, sim.Options{}, required(t), func(w *world) {
			calls := 0
			w.data = func(_ *recorder, s *session, b []byte) int {
				if calls++; calls == 1 {
					return 0
				}
				return 1
			}
			p := whole(w)
			p.Send([]byte("abc"))
			w.Settle()
			if s := w.sessions[0]; string(s.got) != "0123456789abc" || calls != 14 {
				t.Errorf("got %q in %d calls", s.got, calls)
			}
		})
	})
}

// The address lasts until Closed has returned, and is not the socket's afterwards.
func TestRemoteAddrUntilClosed(t *testing.T) {
	run(t, sim.Options{}, required(t), func(w *world) {
		var loop poller.Loop
		w.closed = func(h *recorder, s *session) {
			loop = h.loop
			if got, err := h.loop.RemoteAddr(s.token); got != client || err != nil {
				t.Errorf("inside Closed: %v, %v", got, err)
			}
		}
		for range 3 {
			p := w.dial()
			p.Send(version1(client, destination))
			w.Settle()
			p.Reset()
			w.Settle()
		}
		for _, s := range w.sessions {
			if got, err := loop.RemoteAddr(s.token); !errors.Is(err, poller.ErrClosed) || got.IsValid() {
				t.Errorf("behind Closed: %v, %v", got, err)
			}
			if kind, ok := w.driver.Kind(0, s.token); ok {
				t.Errorf("behind Closed: %v", kind)
			}
		}
		if _, ok := w.driver.Kind(1, w.sessions[0].token); ok {
			t.Error("a loop that does not exist knows a connection")
		}
	})
}

// Options.Header sees what is not kept.
func TestHeaderCallback(t *testing.T) {
	o := required(t)
	var names []string
	o.Header = func(loop int, token poller.Token, h *handshake.ProxyHeader) {
		name, _ := h.TLV(handshake.TLVAuthority)
		names = append(names, fmt.Sprint(loop, " ", token.Slot(), " ", h.Kind(), " ", h.Destination(), " ", string(name)))
	}
	run(t, sim.Options{}, o, func(w *world) {
		w.opens = func(_ *recorder, s *session) {
			if len(names) != len(w.sessions) {
				t.Error("Header was not called before Open")
			}
		}
		head := version2With(client, destination, append([]byte{2, 0, 9}, "a.example"...))
		for _, cut := range []int{0, len(head) / 2, len(head)} {
			p := w.dial()
			p.Send(head[:cut])
			w.Settle()
			p.Send(head[cut:])
			w.Settle()
		}
	})
	for i, name := range names {
		if want := fmt.Sprintf("0 %d TCP4 %v a.example", i, destination); name != want {
			t.Errorf("told %q, want %q", name, want)
		}
	}
	if len(names) != 3 {
		t.Errorf("told of %d headers", len(names))
	}
}
