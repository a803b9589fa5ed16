//go:build linux || darwin || freebsd

package wstest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// fakeT takes note of what a test would have been told.
type fakeT struct {
	fatal string
	log   []string
}

// ended is what fakeT.Fatalf panics with.
type ended struct{}

func (f *fakeT) Helper()                         {}
func (f *fakeT) Failed() bool                    { return f.fatal != "" }
func (f *fakeT) Logf(format string, args ...any) { f.log = append(f.log, fmt.Sprintf(format, args...)) }

func (f *fakeT) Fatalf(format string, args ...any) {
	f.fatal = fmt.Sprintf(format, args...)
	panic(ended{})
}

// failing runs a script that must fail, and returns what was said.
func failing(t *testing.T, srv *engine.Server, script func(w *World)) *fakeT {
	t.Helper()
	f := &fakeT{}
	func() {
		defer func() {
			if v := recover(); v != nil && v != (ended{}) {
				panic(v)
			}
		}()
		Options{Seed: 4711}.Run(f, srv, script)
	}()
	return f
}

// What is expected in vain fails the test, says why and names the seed.
func TestFailures(t *testing.T) {
	dead := func(w *World) *Client {
		c := w.Dial("/")
		c.Close(1000, "")
		c.ExpectClose(1000)
		return c
	}
	for _, x := range []struct {
		name   string
		script func(w *World)
		want   string
	}{
		{"Dial", func(w *World) { w.Dial("/secret") }, "client 0 (/secret) at 0s: refused with 401: log in first"},
		{"Dial without an answer", func(w *World) { w.Dial("/", func(r *request) { r.target = "/\r" }) }, "refused with 400"},
		{"DialRefused", func(w *World) { w.DialRefused("/") }, "not refused"},
		{"Receive", func(w *World) { w.Advance(time.Second); w.Dial("/").Receive() }, "at 1s: no message: the connection is open"},
		{"Receive when closed", func(w *World) { dead(w).Receive() }, "no message: the server closed the connection with 1000"},
		{"Receive when gone", func(w *World) { c := w.Dial("/"); c.Vanish(); c.Receive() }, "the client vanished"},
		{"ReceiveText", func(w *World) { c := w.Dial("/"); c.SendBinary(nil); c.ReceiveText() }, "a binary message of 0 bytes instead of text"},
		{"ReceiveBinary", func(w *World) { c := w.Dial("/"); c.SendText("ab"); c.ReceiveBinary() }, "a text message of 2 bytes instead of binary"},
		{"ExpectNothing", func(w *World) { c := w.Dial("/"); c.SendText("ab"); c.ExpectNothing() }, `1 messages, the first of them text: "ab"`},
		{"ExpectClose", func(w *World) { w.Dial("/").ExpectClose(1000) }, "the connection is open; want status code 1000"},
		{"ExpectClose with another code", func(w *World) { dead(w).ExpectClose(1001) }, "with 1000 (normal closure) \"\"; want status code 1001"},
		{"Send behind Close", func(w *World) { c := w.Dial("/"); c.Close(1000, ""); c.SendText("x") }, "behind a Close frame"},
		{"Send after Reset", func(w *World) { c := w.Dial("/"); c.Reset(); c.SendText("x") }, "the client sent RST"},
		{"Close", func(w *World) { w.Dial("/").Close(1006, "") }, "Close(1006, \"\"): codec: status code"},
		{"server sends no UTF-8", func(w *World) { w.Dial("/bytes").SendBinary([]byte("\xff")); w.Settle() }, "the server breaks the protocol: codec: "},
		{"Dial after Shutdown", func(w *World) { w.Shutdown(); w.Settle(); w.Dial("/") }, "no answer to the opening handshake: the server ended"},
		{"DialRefused after Close", func(w *World) { _ = w.server.Close(); w.Settle(); w.DialRefused("/") }, "no answer to the opening handshake: the server ended"},
		{"at the end", func(w *World) { w.Dial("/bytes").SendBinary([]byte("\xff")) }, "the server breaks the protocol: codec: "},
	} {
		t.Run(x.name, func(t *testing.T) {
			srv := newEcho()
			srv.Events.Message = func(c engine.Conn, op codec.Opcode, payload []byte) {
				if string(payload) == "\xff" {
					op = codec.OpcodeText
				}
				_, _ = c.Send(op, payload)
			}
			f := failing(t, srv, x.script)
			if !strings.Contains(f.fatal, x.want) {
				t.Errorf("%q, want %q", f.fatal, x.want)
			}
			if log := strings.Join(f.log, "\n"); !strings.Contains(log, "Seed: 4711") {
				t.Errorf("the log does not name the seed: %s", log)
			}
		})
	}
}

// A client does not take every 101 for an answer.
func TestResponsesThatAreWrong(t *testing.T) {
	r := request{key: "dGhlIHNhbXBsZSBub25jZQ==", fields: []field{{"Sec-WebSocket-Protocol", "v1, v2"}}}
	for _, x := range []struct{ name, value, want string }{
		{"X-Other", "1", ""},
		{"Sec-WebSocket-Protocol", "v2", ""},
		{"Sec-WebSocket-Protocol", "v3", "was not offered"},
		{"Sec-WebSocket-Extensions", "permessage-deflate", "extension"},
		{"Sec-WebSocket-Accept", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Accept"},
		{"Upgrade", "h2c", "does not upgrade"},
		{"Connection", "close", "does not upgrade"},
	} {
		h := http.Header{}
		h.Set("Upgrade", "WebSocket")
		h.Set("Connection", "upgrade")
		h.Set("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") // of RFC 6455 section 1.3
		h.Set(x.name, x.value)
		if err := fmt.Sprint(r.check(h)); (x.want == "") != (err == "<nil>") || !strings.Contains(err, x.want) {
			t.Errorf("%s: %s: %s", x.name, x.value, err)
		}
	}
}

func TestServerThatCannotServe(t *testing.T) {
	f := failing(t, &engine.Server{MaxFragments: -1}, func(*World) { t.Error("the script ran") })
	if !strings.Contains(f.fatal, "MaxFragments") {
		t.Errorf("%q", f.fatal)
	}
}

// A run that succeeds says nothing, and the server's log goes to the test.
func TestLog(t *testing.T) {
	quiet, panics := &fakeT{}, &fakeT{}
	srv := newEcho()
	srv.Events.Ping = func(engine.Conn, []byte) { panic("a callback panics") }
	Run(quiet, newEcho(), func(w *World) { w.Dial("/") })
	Run(panics, srv, func(w *World) {
		c := w.Dial("/")
		c.Ping("")
		c.ExpectClose(codec.StatusInternalError)
	})
	if len(quiet.log) > 0 {
		t.Errorf("log of a quiet run: %q", quiet.log)
	}
	if len(panics.log) != 1 || !strings.Contains(panics.log[0], "a callback panics") {
		t.Errorf("log of a panic: %q", panics.log)
	}
}

// A panic of the script names the seed and goes on.
func TestScriptPanics(t *testing.T) {
	f := &fakeT{}
	defer func() {
		if recover() != "oops" || len(f.log) != 1 || !strings.Contains(f.log[0], "Seed: 9") {
			t.Errorf("log %q", f.log)
		}
	}()
	Options{Seed: 9}.Run(f, newEcho(), func(*World) { panic("oops") })
}
