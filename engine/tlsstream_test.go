package engine

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// TestTLSRecordBoundariesW13 has a record end inside the header of a frame, at each of its offsets, and the two records come in one segment or in two.
func TestTLSRecordBoundariesW13(t *testing.T) {
	r := serveSecure(t, &Server{Events: Events{Message: echo}})
	for _, n := range []int{5, 1000, 70_000} { // headers of 6, 8 and 14 bytes
		text := strings.Repeat("r", n)
		frame := masked(true, codec.OpcodeBinary, text)
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			f := r.forge(version)
			for cut := 1; cut <= len(frame)-n; cut++ {
				first := f.seal(typeApplication, []byte(frame[:cut]))
				second := f.sealAll(frame[cut:])
				if cut%2 == 0 {
					f.sendRaw(append(first, second...))
				} else {
					f.sendRaw(first)
					f.sendRaw(second)
				}
				f.expect(codec.OpcodeBinary, text)
			}
			// A record for every byte.
			if n < 2000 {
				for i := range frame {
					f.sendRaw(f.seal(typeApplication, []byte(frame[i:i+1])))
				}
				f.expect(codec.OpcodeBinary, text)
			}
		}
	}
}

// TestTLSSegmentsW13 has a segment end inside a record, at each of its offsets. The echo of the record before it tells that the segment was read.
func TestTLSSegmentsW13(t *testing.T) {
	r := serveSecure(t, &Server{Events: Events{Message: echo}})
	for _, version := range both {
		f := r.forge(version)
		for cut := 1; ; cut++ {
			before, record := f.message("before"), f.message("cut")
			if cut == len(record) {
				break
			}
			f.sendRaw(append(before, record[:cut]...))
			f.expect(codec.OpcodeText, "before")
			f.sendRaw(record[cut:])
			f.expect(codec.OpcodeText, "cut")
		}
	}
}

// sealAll makes records of 16 KiB, and one with the rest.
func (f *forger) sealAll(b string) (records []byte) {
	for len(b) > 0 {
		n := min(len(b), 1<<14)
		records = append(records, f.seal(typeApplication, []byte(b[:n]))...)
		b = b[n:]
	}
	return records
}

// TestTLSBehindTheHandshakeW16 sends the request and frames in one segment with the end of the handshake, more than one turn decrypts, and then nothing ever.
func TestTLSBehindTheHandshakeW16(t *testing.T) {
	for _, size := range []int{1, 1000, 300_000} {
		r := serveSecure(t, &Server{Events: Events{Message: echo}})
		over := &tap{Conn: r.dial(), through: 1}
		c := r.shake(over, r.config())
		text := strings.Repeat("b", size)
		c.write(head("/") + masked(true, codec.OpcodeText, text) + masked(true, codec.OpcodeText, "last"))
		go over.Conn.Write(over.kept)
		if status, _, _ := c.response(); status != 101 {
			t.Fatalf("status %d", status)
		}
		c.expect(codec.OpcodeText, text)
		c.expect(codec.OpcodeText, "last")
	}
}

// TestTLSPausedW16 has all that a peer ever sends come while its connection is paused. It is handed up after Resume.
func TestTLSPausedW16(t *testing.T) {
	const messages = 50
	conns, got := make(chan Conn, 1), make(chan string, messages)
	r := serveSecure(t, &Server{Events: Events{
		Open: func(c Conn) {
			c.Pause()
			conns <- c
		},
		Message: func(c Conn, _ codec.Opcode, payload []byte) {
			c.Pause() // one at a time
			got <- string(payload)
		},
	}})
	c := r.secure(r.config())
	all := head("/")
	for i := range messages {
		all += masked(true, codec.OpcodeText, fmt.Sprint(i))
	}
	c.write(all)
	conn := await(t, conns, "Open")
	for i := range messages {
		conn.Resume()
		if text := await(t, got, "the message"); text != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, text)
		}
	}
	conn.Resume()
}

// TestTLSCloseNotifyWhileEchoWaitsW11 ends the peer's side while much output waits. A peer that reads on gets all of it and then the end; of one that does
// not, the connection is given up by CloseTimeout.
func TestTLSCloseNotifyWhileEchoWaitsW11(t *testing.T) {
	const messages = 16
	long := strings.Repeat("n", 1<<20)
	for _, reads := range []bool{true, false} {
		conns := make(chan Conn, 1)
		timeout := never
		if !reads {
			timeout = time.Second
		}
		r := serveSecure(t, &Server{
			MaxBufferedBytes: 64 << 20, WriteTimeout: never, CloseTimeout: timeout, PingInterval: Never,
			Events: Events{Message: echo, Open: func(c Conn) { conns <- c }},
		})
		c := r.upgraded(r.config())
		conn := await(t, conns, "Open")
		for range messages {
			c.send(codec.OpcodeBinary, long)
		}
		poll(t, "the echo to wait", func() bool { return conn.Buffered() > 0 })
		if err := c.Conn.(*tls.Conn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if reads {
			for range messages {
				c.expect(codec.OpcodeBinary, long)
			}
			c.expectEOF()
			c.Close()
		}
		if how := await(t, r.closures, "Close"); how.Code != codec.StatusAbnormalClosure || how.Err == nil {
			t.Errorf("reads %v: closed with %+v", reads, how)
		}
		poll(t, "the connection to be given up", func() bool { return r.Stats().Connections == 0 })
		if n := r.stats().Truncated.Load(); n != 0 {
			t.Errorf("%d connections count as truncated", n)
		}
	}
}

// TestTLSEndsWithNotifyW12 shuts down, and closes, with connections that are open, that have not asked for a WebSocket, and that are in their TLS handshake: whoever is
// behind that gets close_notify before FIN, and nothing behind it.
func TestTLSEndsWithNotifyW12(t *testing.T) {
	for _, drains := range []bool{true, false} {
		r := serveSecure(t, &Server{Loops: 2, CloseTimeout: never, Events: Events{Message: echo}})
		var open, silent []*forger
		for i := range 10 {
			open = append(open, r.forge(both[i%2]))
			silent = append(silent, r.forgeSilent(both[i%2]))
		}
		early := r.dial()
		early.write(string(firstFlight(t, r.config())[:100]))
		stats := r.stats()
		poll(t, "all to come", func() bool { return stats.Handshakes.Load() == 20 && stats.Pending.Load() == 1 })
		stopped := make(chan error, 1)
		go func() {
			if drains {
				stopped <- r.Shutdown(context.WithoutCancel(t.Context()))
			} else {
				stopped <- r.Server.Close()
			}
		}()
		for _, f := range open {
			if drains {
				f.expectClose(codec.StatusGoingAway)
				f.send(codec.OpcodeClose, "\x03\xe9")
			}
		}
		for _, f := range append(open, silent...) {
			if _, err := io.ReadAll(f.in); err != nil {
				t.Errorf("drains %v: a client reads %v", drains, err)
			}
			if !f.notified() {
				t.Errorf("drains %v, %s: FIN without close_notify", drains, tls.VersionName(f.version))
			}
			f.Close()
		}
		early.expectGone()
		if err := await(t, stopped, "the end"); err != nil {
			t.Error(err)
		}
		r.stop()
	}
}

// notified says that the last record that came is close_notify: an alert with TLS 1.2, and as long as one with TLS 1.3. The client does not tell; to it, FIN
// at the end of a record is as good.
func (f *forger) notified() bool {
	var contentType, payloadLen int
	for b := f.wire.read; len(b) >= 5; {
		contentType, payloadLen = int(b[0]), int(b[3])<<8|int(b[4])
		b = b[min(len(b), 5+payloadLen):]
	}
	if f.version == tls.VersionTLS12 {
		return contentType == typeAlert && payloadLen == 8+2+f.aead.Overhead()
	}
	return contentType == typeApplication && payloadLen == 2+1+f.aead.Overhead()
}
