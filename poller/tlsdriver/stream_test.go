package tlsdriver_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// TestRecordSizes (W13) echoes a message in records of every size that could matter, with the boundary between two records
// at every place of its beginning, and with the bytes of a record one by one.
func TestRecordSizes(t *testing.T) {
	a := newAuthority(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		r := newRig(t, tlsdriver.Options{Config: a.server(t)}, 1, nil)
		config := a.client()
		config.MaxVersion = version
		config.DynamicRecordSizingDisabled = true
		over := &tap{Conn: r.dial(), through: 1 << 30}
		c := tls.Client(over, config)
		message := pattern(100)
		for cut := range 15 {
			if _, err := c.Write(message[:cut]); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(message[cut:]); err != nil {
				t.Fatal(err)
			}
			expect(t, c, message)
		}
		for _, size := range []int{1, 125, 1<<14 - 1, 1 << 14, 1<<14 + 1, 300_000} {
			echo(t, c, pattern(size))
		}
		small := pattern(5000)
		for i := range small {
			if _, err := c.Write(small[i : i+1]); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, c, small)
		over.through = 0
		_, _ = c.Write(message)
		for i := range over.kept {
			if _, err := over.Conn.Write(over.kept[i : i+1]); err != nil {
				t.Fatal(err)
			}
			r.loops[0].do(func() {})
		}
		expect(t, c, message)
	}
}

func expect(t testing.TB, c net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d of %d bytes came, equal: %v, %v", n, len(want), bytes.Equal(got, want), err)
	}
}

// TestWritevRecords writes pieces of all sizes and looks at the records they make: no more than there must be.
func TestWritevRecords(t *testing.T) {
	a := newAuthority(t)
	server := a.server(t)
	server.MaxVersion = tls.VersionTLS12 // whose records say what they hold
	server.SessionTicketsDisabled = true
	r := newRig(t, tlsdriver.Options{Config: server}, 1, nil)
	c := r.secure(a.client())
	token := receive(t, r.opened, "Open")
	for _, test := range []struct {
		pieces  []int
		records int
	}{
		{[]int{2, 100, 2, 0, 50}, 1},
		{[]int{4, 16384}, 2},
		{[]int{16384}, 1},
		{[]int{40_000}, 3},
		{[]int{10, 40_000, 10}, 3},
		{[]int{0}, 0},
	} {
		var vec [][]byte
		var all []byte
		for _, n := range test.pieces {
			vec = append(vec, pattern(n))
			all = append(all, pattern(n)...)
		}
		r.loops[0].do(func() {
			if err := r.loops[0].loop.Writev(token, vec); err != nil {
				t.Error(err)
			}
		})
		socket := c.NetConn()
		var got []byte
		for range test.records {
			header := make([]byte, 5)
			if _, err := io.ReadFull(socket, header); err != nil {
				t.Fatal(err)
			}
			payload := make([]byte, binary.BigEndian.Uint16(header[3:]))
			if _, err := io.ReadFull(socket, payload); err != nil {
				t.Fatal(err)
			}
			got = append(got, payload...)
		}
		if n := len(got) - len(all); n != test.records*24 {
			t.Errorf("%v: %d bytes more than were written in %d records", test.pieces, n, test.records)
		}
	}
}

// TestTruncation ends connections with FIN alone, between records and inside one: EOF all the same, and counted.
func TestTruncation(t *testing.T) {
	a := newAuthority(t)
	for _, inside := range []bool{false, true} {
		r := newRig(t, tlsdriver.Options{Config: a.server(t)}, 1, nil)
		over := &tap{Conn: r.dial(), through: 1 << 30}
		c := tls.Client(over, a.client())
		echo(t, c, pattern(1000))
		if inside {
			over.through = 0
			_, _ = c.Write(pattern(1000))
			_, _ = over.Conn.Write(over.kept[:500])
		}
		_ = over.Conn.(*net.TCPConn).CloseWrite()
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("the driver's end is %v", err)
		}
		if err := receive(t, r.closed, "Closed"); err != nil {
			t.Errorf("Closed with %v", err)
		}
		if n := r.driver.Stats().Truncated.Load(); n != 1 {
			t.Errorf("%d connections are truncated, want 1", n)
		}
	}
}

// TestCloseNotify (W11, W12) ends connections in good order in every way that the driver knows, and looks for close_notify
// before FIN.
func TestCloseNotify(t *testing.T) {
	a := newAuthority(t)
	config := a.client()
	config.MaxVersion = tls.VersionTLS12 // whose alerts are told by their type
	for _, test := range []struct {
		name string
		act  func(r *rig, token poller.Token)
	}{
		{"Close", func(r *rig, token poller.Token) {
			r.loops[0].do(func() { r.loops[0].loop.Close(token, nil) })
		}},
		{"CloseWrite", func(r *rig, token poller.Token) {
			r.loops[0].do(func() {
				r.loops[0].loop.CloseWrite(token)
				r.loops[0].loop.CloseWrite(token)
			})
		}},
		{"WriteLast", func(r *rig, token poller.Token) {
			r.loops[0].do(func() {
				l := r.loops[0].loop
				_ = l.WriteLast(token, []byte("bye"))
				if err := l.Write(token, []byte("late")); !errors.Is(err, poller.ErrClosed) {
					t.Errorf("Write after WriteLast: %v", err)
				}
				l.Close(token, nil)
			})
		}},
		{"Stop", func(r *rig, _ poller.Token) { r.driver.Stop(); r.driver.Stop() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, tlsdriver.Options{Config: a.server(t)}, 1, nil)
			c := r.secure(config)
			test.act(r, receive(t, r.opened, "Open"))
			raw, err := io.ReadAll(c.NetConn())
			if err != nil {
				t.Fatal(err)
			}
			types := ""
			for len(raw) >= 5 {
				types += string(raw[0])
				raw = raw[5+int(binary.BigEndian.Uint16(raw[3:])):]
			}
			if types[len(types)-1] != typeAlert || bytes.Count([]byte(types), []byte{typeAlert}) != 1 {
				t.Errorf("the records are of types %v, want one alert, at the end", []byte(types))
			}
		})
	}
}

// TestCloseNotifyWhileEchoWaits (W11) has the peer end its side with an echo in the queue: it gets all of it.
func TestCloseNotifyWhileEchoWaits(t *testing.T) {
	a := newAuthority(t)
	r := newRig(t, tlsdriver.Options{Config: a.server(t)}, 1, nil)
	c := r.secure(a.client())
	message := pattern(1 << 20)
	go func() {
		_, _ = c.Write(message)
		_ = c.CloseWrite()
	}()
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, message) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
	if err := receive(t, r.closed, "Closed"); err != nil {
		t.Errorf("Closed with %v", err)
	}
}

// TestBytesBehindCloseNotify sends more after close_notify. It is dropped.
func TestBytesBehindCloseNotify(t *testing.T) {
	a := newAuthority(t)
	r := newRig(t, tlsdriver.Options{Config: a.server(t)}, 1, func(h *handler) {
		h.eof = func(h *handler, token poller.Token) { _ = h.loop.Write(token, []byte("end")) }
	})
	f := forge(t, r, a.client())
	b := f.seal(typeApplication, []byte("hello"))
	b = append(b, f.seal(typeAlert, []byte{1, 0})...)
	b = append(b, f.seal(typeApplication, []byte("behind"))...)
	if err := f.sendRaw(b); err != nil {
		t.Fatal(err)
	}
	expect(t, f, []byte("helloend"))
	for range 3 {
		if err := f.sendRaw(f.seal(typeApplication, []byte("behind"))); err != nil {
			t.Fatal(err)
		}
		r.loops[0].do(func() {})
	}
	_ = f.socket.(*net.TCPConn).CloseWrite()
	r.stop()
	if n := r.driver.Stats().Truncated.Load(); n != 0 {
		t.Errorf("%d connections are truncated", n)
	}
}

// TestPauseAtTheEnd pauses in the callback that gets the last bytes: the end waits, and what a handler leaves comes before it.
func TestPauseAtTheEnd(t *testing.T) {
	for _, leave := range []int{0, 3} {
		a := newAuthority(t)
		paused := make(chan poller.Token, 10)
		var got []byte
		ended := make(chan string, 1)
		r := newRig(t, tlsdriver.Options{Config: a.server(t)}, 1, func(h *handler) {
			h.data = func(h *handler, token poller.Token, b []byte) int {
				n := max(len(b)-leave, min(1, len(b)))
				got = append(got, b[:n]...)
				h.loop.Pause(token)
				paused <- token
				return n
			}
			h.eof = func(h *handler, token poller.Token) {
				ended <- string(got)
				h.loop.Close(token, nil)
			}
		})
		over := &tap{Conn: r.dial(), through: 1 << 30}
		c := tls.Client(over, a.client())
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		over.through = 0
		_, _ = c.Write([]byte("hello"))
		_ = c.CloseWrite()
		_, _ = over.Conn.Write(over.kept)
		for len(ended) == 0 {
			select {
			case token := <-paused:
				for range 5 {
					r.loops[0].do(func() {})
				}
				if len(ended) > 0 {
					t.Error("EOF came while paused")
				}
				r.loops[0].do(func() {
					l := r.loops[0].loop
					if leave > 0 && len(got) < 5 && l.Held(token) == 0 {
						t.Error("nothing is held")
					}
					l.Resume(token)
				})
			default:
				r.loops[0].do(func() {})
			}
		}
		if text := <-ended; text != "hello" {
			t.Errorf("%q came before the end", text)
		}
	}
}

// TestCloseInOpen closes when the handshake is over, with data behind it.
func TestCloseInOpen(t *testing.T) {
	a := newAuthority(t)
	d := wrapNative(t, 1, tlsdriver.Options{Config: a.server(t)})
	r := serveRig(t, d, 1, func(h *handler) {
		h.opens = func(h *handler, token poller.Token) { h.loop.Close(token, nil) }
		h.data = func(*handler, poller.Token, []byte) int { t.Error("Data after Close"); return 0 }
	})
	over := &tap{Conn: r.dial(), through: 1}
	c := tls.Client(over, a.client())
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write([]byte("hello"))
	_, _ = over.Conn.Write(over.kept)
	expectEnd(t, c.NetConn())
	receive(t, r.closed, "Closed")
}

// TestHugeData presents more than a plaintext buffer holds: an inner driver may.
func TestHugeData(t *testing.T) {
	a := newAuthority(t)
	rig := newBench(t, a.server(t), a.client())
	var got []byte
	rig.upper.data = func(b []byte) int { got = append(got, b...); return len(b) }
	message := pattern(500_000)
	sealed := rig.seal(message)
	for len(sealed) > 0 {
		n := rig.handler.Data(rig.token, sealed)
		if n == 0 {
			t.Fatal("nothing was consumed")
		}
		sealed = sealed[n:]
		rig.handler.Flush()
	}
	if !bytes.Equal(got, message) {
		t.Errorf("%d of %d bytes came", len(got), len(message))
	}
}
