//go:build linux || darwin || freebsd

package wstest

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/handshake"
)

// newEcho is a server that echoes, refuses /secret and speaks v1.
func newEcho() *engine.Server {
	return &engine.Server{
		Subprotocols: []string{"v1"},
		Events: engine.Events{
			Upgrade: func(_ engine.Conn, r *handshake.Request, w *handshake.Response) {
				if string(r.Path()) == "/secret" {
					_ = w.Refuse(401, "log in first")
				}
				_ = w.AddHeader("X-Query", string(r.Query()))
			},
			Message: func(c engine.Conn, op codec.Opcode, payload []byte) { _, _ = c.Send(op, payload) },
		},
	}
}

// underChance runs a script with many seeds, without and with faults. The server is a new one each time.
func underChance(t *testing.T, newServer func() *engine.Server, script func(w *World)) {
	t.Helper()
	for seed := range uint64(20) {
		Options{Seed: seed, Faults: seed > 0, Loops: 1 + int(seed%3)}.Run(t, newServer(), script)
	}
}

func TestMessages(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789"), 30_000)
	underChance(t, newEcho, func(w *World) {
		c, other := w.Dial("/?room=1", Subprotocol("v2", "v1")), w.Dial("/")
		if c.Subprotocol() != "v1" || other.Subprotocol() != "" || c.ResponseHeader().Get("X-Query") != "room=1" {
			t.Errorf("subprotocols %q and %q, header %v", c.Subprotocol(), other.Subprotocol(), c.ResponseHeader())
		}
		c.SendText("hello")
		c.SendBinary(long)
		c.SendFrame(false, codec.OpcodeText, []byte("in "))
		c.SendFrame(true, codec.OpcodeContinuation, []byte("pieces"))
		if n := c.Outstanding(); n != 3 {
			t.Errorf("%d messages are outstanding", n)
		}
		if a, b, p := c.ReceiveText(), c.ReceiveBinary(), c.Receive(); a != "hello" || !bytes.Equal(b, long) || string(p.Payload) != "in pieces" {
			t.Errorf("%q, %d bytes, %v", a, len(b), p)
		}
		c.ExpectNothing()
		other.ExpectNothing()
	})
}

func TestControlFrames(t *testing.T) {
	var conn engine.Conn
	underChance(t, func() *engine.Server {
		srv := newEcho()
		srv.PingInterval, srv.PongTimeout = time.Minute, 10*time.Second
		srv.Events.Open = func(c engine.Conn) { conn = c }
		return srv
	}, func(w *World) {
		c := w.Dial("/")
		c.Ping("are you there?")
		if got := c.Pongs(); !slices.Equal(got, []string{"are you there?"}) {
			t.Errorf("pongs %q", got)
		}
		if err := conn.Ping([]byte("and you?")); err != nil {
			t.Error(err)
		}
		if got := c.Pings(); !slices.Equal(got, []string{"and you?"}) {
			t.Errorf("pings %q", got)
		}
		w.Advance(10 * time.Minute) // a client that answers lives on
		c.Pong("one more")
		if how, closed := c.Closed(); closed {
			t.Errorf("closed: %v", how)
		}
		c.AutoReply(false)
		w.Advance(2 * time.Minute)
		c.ExpectClose(codec.StatusAbnormalClosure)
	})
}

func TestClosings(t *testing.T) {
	for _, x := range []struct {
		name  string
		act   func(c *Client)
		code  codec.StatusCode // for the client, 0 for none
		err   error
		heard codec.StatusCode // for the server
	}{
		{"Close", func(c *Client) { c.Close(4000, "enough") }, 4000, io.EOF, 4000},
		{"Close without a code", func(c *Client) { c.Close(codec.StatusNoStatusRcvd, "") }, 1005, io.EOF, 1005},
		{"server closes", func(c *Client) { c.SendText("close") }, 1000, io.EOF, 1000},
		{"server aborts", func(c *Client) { c.SendText("abort") }, 1006, io.EOF, 1006},
		{"violation", func(c *Client) { c.SendRaw([]byte{0xff}) }, 1002, io.EOF, 1006},
		{"CloseWrite", (*Client).CloseWrite, 1006, io.EOF, 1006},
		{"Reset", (*Client).Reset, 0, nil, 1006},
		{"Vanish", (*Client).Vanish, 0, nil, 1006},
	} {
		t.Run(x.name, func(t *testing.T) {
			var heard []codec.StatusCode
			underChance(t, func() *engine.Server {
				heard = nil
				return &engine.Server{Events: engine.Events{
					Message: func(c engine.Conn, _ codec.Opcode, payload []byte) {
						if string(payload) == "abort" {
							c.Abort()
							return
						}
						_ = c.Close(codec.StatusNormalClosure, "asked to")
					},
					Close: func(_ engine.Conn, how engine.Closure) { heard = append(heard, how.Code) },
				}}
			}, func(w *World) {
				c := w.Dial("/")
				x.act(c)
				w.Advance(5 * time.Minute)
				how, closed := c.Closed()
				if closed != (x.code != 0) || how.Code != x.code || how.Err != x.err {
					t.Errorf("closed %v: %v", closed, how)
				}
				if n := w.Stats().CloseTimeouts; n != 0 {
					t.Errorf("%d ends had to wait for a deadline", n)
				}
				if !slices.Equal(heard, []codec.StatusCode{x.heard}) {
					t.Errorf("the server's Close was called with %v", heard)
				}
			})
		})
	}
}

// A client that does not answer the server's Close frame is cut off after CloseTimeout.
func TestCloseUnanswered(t *testing.T) {
	srv := newEcho()
	srv.Events.Message = func(c engine.Conn, _ codec.Opcode, _ []byte) { _ = c.Close(1001, "moving") }
	Run(t, srv, func(w *World) {
		c := w.Dial("/")
		c.AutoReply(false)
		c.SendText("x")
		if how := c.ExpectClose(1001); how.Reason != "moving" || how.Err != nil {
			t.Errorf("closed with %v", how)
		}
		w.Advance(engine.DefaultCloseTimeout + time.Second)
		if how, _ := c.Closed(); how.Err == nil || how.Code != 1001 {
			t.Errorf("after the timeout: %v", how)
		}
		if n := w.Stats().CloseTimeouts; n != 1 {
			t.Errorf("%d close timeouts", n)
		}
	})
}

func TestStall(t *testing.T) {
	underChance(t, newEcho, func(w *World) {
		c := w.Dial("/")
		c.Stall()
		for range 8 {
			c.SendBinary(make([]byte, 50_000))
		}
		c.ExpectNothing()
		if held := w.Stats().Memory; held < 100_000 {
			t.Errorf("the server holds %d bytes", held)
		}
		c.Resume()
		if n := c.Outstanding(); n != 8 {
			t.Errorf("%d messages came", n)
		}
	})
}

func TestRefused(t *testing.T) {
	srv := newEcho()
	srv.PerAddress.Connections = 1
	Run(t, srv, func(w *World) {
		got := w.DialRefused("/secret")
		if got.Status != 401 || strings.TrimSpace(got.Body) != "log in first" || got.Header.Get("Content-Length") == "" {
			t.Errorf("refused with %+v", got)
		}
		if got := w.DialRefused("/", Header("Origin", "https://example.net")); got.Status != 403 {
			t.Errorf("refused with %+v", got)
		}
		if got := w.DialRefused("/", Header("sec-websocket-version", "12")); got.Status != 426 {
			t.Errorf("refused with %+v", got)
		}
		home := netip.MustParseAddrPort("192.0.2.1:1000")
		if c := w.Dial("/", From(home)); c.Addr() != home {
			t.Errorf("dialed from %v", c.Addr())
		}
		if got := w.DialRefused("/", From(home)); got.Status != 503 {
			t.Errorf("refused with %+v", got)
		}
		w.Dial("/", Header("Origin", "http://example.com"))
	})
}

// Callbacks on workers, functions and timers all run on the one goroutine, as the clock says.
func TestGoAndAfter(t *testing.T) {
	underChance(t, func() *engine.Server {
		srv := newEcho()
		srv.Workers = 2
		return srv
	}, func(w *World) {
		c := w.Dial("/")
		var at []time.Duration
		w.Go(func() { at = append(at, w.Now()) })
		w.After(time.Minute, func() { at = append(at, w.Now()); c.SendText("late") })
		w.Settle()
		c.ExpectNothing()
		w.Advance(2 * time.Minute)
		if got := c.ReceiveText(); got != "late" || !slices.Equal(at, []time.Duration{0, time.Minute}) {
			t.Errorf("%q at %v", got, at)
		}
	})
}

// Shutdown spreads the closes over the virtual time, and refuses who comes later.
func TestShutdown(t *testing.T) {
	underChance(t, func() *engine.Server {
		srv := newEcho()
		srv.Drain = engine.Drain{Code: codec.StatusServiceRestart, Window: 10 * time.Minute}
		return srv
	}, func(w *World) {
		var clients []*Client
		for range 20 {
			clients = append(clients, w.Dial("/"))
		}
		w.Shutdown()
		w.Shutdown() // does nothing more
		w.Advance(5 * time.Minute)
		if n := w.Stats().Connections; n == 0 || n == 20 {
			t.Errorf("%d of 20 connections are left in the middle", n)
		}
		w.Advance(6 * time.Minute)
		for _, c := range clients {
			c.ExpectClose(codec.StatusServiceRestart)
		}
		if n := w.Stats().Connections; n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
}

// What blocks is at its end when Run returns, also a Shutdown that is not.
func TestShutdownAtTheEnd(t *testing.T) {
	srv, closes := newEcho(), 0
	srv.Drain.Window = time.Hour
	srv.Events.Close = func(engine.Conn, engine.Closure) { closes++ }
	Run(t, srv, func(w *World) {
		w.Dial("/")
		w.Shutdown()
	})
	if closes != 1 {
		t.Errorf("Close was called %d times", closes)
	}
}

func TestServerClose(t *testing.T) {
	srv := newEcho()
	Run(t, srv, func(w *World) {
		c := w.Dial("/")
		_ = srv.Close()
		c.ExpectClose(codec.StatusAbnormalClosure)
	})
}

func TestSameSeedSameRun(t *testing.T) {
	trace := func(seed uint64, faults bool) string {
		var lines strings.Builder
		o := Options{Seed: seed, Faults: faults, Loops: 2, Trace: func(line string) { fmt.Fprintln(&lines, line) }}
		o.Run(t, newEcho(), func(w *World) {
			for range 5 {
				w.Dial("/").SendText(fmt.Sprint(w.Random().IntN(1000)))
			}
			w.Shutdown()
			w.Advance(5 * time.Minute)
		})
		return lines.String()
	}
	if a, b := trace(1, true), trace(1, true); a != b || a == "" {
		t.Error("one seed gave two runs")
	}
	if trace(1, true) == trace(2, true) {
		t.Error("two seeds gave one run")
	}
	calm, bad := "", ""
	for seed := range uint64(20) {
		calm += trace(seed, false)
		bad += trace(seed, true)
	}
	if strings.Contains(calm, " is delayed ") || !strings.Contains(bad, " is delayed ") {
		t.Error("Options.Faults does not decide about faults")
	}
	if strings.Count(bad, "bytes to peer") <= strings.Count(calm, "bytes to peer") {
		t.Error("Options.Faults does not cut what is sent")
	}
}
