package engine

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// TestTLSFaults (W01, W02, W03, W06, W07) sends on an open WebSocket what TLS forbids. The connection ends with the alert and one Close, 1006
// and the reason; another on the same loop does not notice.
func TestTLSFaults(t *testing.T) {
	for _, test := range []struct {
		name    string
		version uint16
		alert   tls.AlertError // 0: none is sent
		cause   error
		act     func(f *forger)
	}{
		{"RenegotiationW01", tls.VersionTLS12, alertUnexpectedMessage, nil, func(f *forger) {
			hello := firstFlight(f.t, &tls.Config{ServerName: "localhost", MaxVersion: tls.VersionTLS12})
			var all []byte
			for range 1000 {
				all = append(all, f.seal(typeHandshake, hello[5:])...)
			}
			f.sendRaw(all)
		}},
		{"KeyUpdatesW02", tls.VersionTLS13, alertUnexpectedMessage, nil, func(f *forger) {
			for range 10_000 {
				if !f.sendRaw(f.seal(typeHandshake, keyUpdate)) {
					break
				}
				f.nextKeys()
			}
		}},
		{"KeyUpdatesBetweenMessagesW02", tls.VersionTLS13, 0, tlsdriver.ErrKeyUpdates, func(f *forger) {
			// The echo, and key updates of the server, are taken unread: crypto/tls minds more than 16 in a row, and says so with keys that are not the forger's.
			go io.Copy(io.Discard, f.wire.Conn)
			for range 10_000 {
				if !f.sendRaw(f.seal(typeHandshake, keyUpdate)) {
					break
				}
				f.nextKeys()
				if !f.sendRaw(f.message("x")) {
					break
				}
			}
		}},
		{"SeveralKeyUpdatesInARecordW03", tls.VersionTLS13, alertUnexpectedMessage, nil, func(f *forger) {
			f.sendRaw(f.seal(typeHandshake, bytes.Repeat(keyUpdate, 3)))
		}},
		{"PlaintextTooLongW06", tls.VersionTLS13, alertRecordOverflow, nil, func(f *forger) {
			f.sendRaw(f.seal(typeApplication, make([]byte, 1<<14+1)))
		}},
		{"PlaintextTooLongW06", tls.VersionTLS12, alertRecordOverflow, nil, func(f *forger) {
			f.sendRaw(f.seal(typeApplication, make([]byte, 1<<14+1)))
		}},
		{"CiphertextTooLongW06", tls.VersionTLS13, alertRecordOverflow, nil, func(f *forger) {
			f.sendRaw([]byte{typeApplication, 3, 3, 0x48, 0x01})
		}},
		{"CiphertextTooLongW06", tls.VersionTLS12, alertRecordOverflow, nil, func(f *forger) {
			f.sendRaw([]byte{typeApplication, 3, 3, 0x48, 0x01})
		}},
		{"EmptyRecordsW07", tls.VersionTLS13, alertUnexpectedMessage, nil, func(f *forger) { f.sendEmpty(100_000) }},
		{"EmptyRecordsW07", tls.VersionTLS12, alertUnexpectedMessage, nil, func(f *forger) { f.sendEmpty(100_000) }},
	} {
		t.Run(test.name+"/"+tls.VersionName(test.version), func(t *testing.T) {
			r := serveSecure(t, &Server{Loops: 1, Events: Events{Message: echo}})
			neighbour := r.upgraded(r.config())
			f := r.forge(test.version)
			f.sendRaw(f.message("before"))
			f.expect(codec.OpcodeText, "before")
			test.act(f)
			if test.alert != 0 {
				if _, err := f.in.ReadByte(); err == nil || !strings.HasSuffix(err.Error(), test.alert.Error()) {
					t.Errorf("the client reads %v, want alert %v", err, test.alert)
				}
			}
			how := await(t, r.closures, "Close")
			if how.Code != codec.StatusAbnormalClosure || how.Err == nil || test.cause != nil && !errors.Is(how.Err, test.cause) {
				t.Errorf("closed with %+v", how)
			}
			if n, last := r.stats().Broken.Load(), r.stats().LastBroken(); n != 1 || !errors.Is(last, how.Err) {
				t.Errorf("%d connections are broken, the last with %v", n, last)
			}
			neighbour.echoes("still here")
		})
	}
}

// sendEmpty sends records of application data without any, as long as the server takes them.
func (f *forger) sendEmpty(n int) {
	for n > 0 {
		var some []byte
		for range 1000 {
			some = append(some, f.seal(typeApplication, nil)...)
		}
		if !f.sendRaw(some) {
			return
		}
		n -= 1000
	}
}

// TestTLSKeyUpdateWhileWritingW03 asks for new keys while much output waits. Each in its record, the echo completes; two in one record must be refused (RFC 8446
// section 5.1), and the connection does not hang.
func TestTLSKeyUpdateWhileWritingW03(t *testing.T) {
	const messages = 16
	long := strings.Repeat("k", 1<<20)
	for _, legal := range []bool{true, false} {
		conns := make(chan Conn, 1)
		r := serveSecure(t, &Server{
			Loops: 1, MaxBufferedBytes: 64 << 20,
			Events: Events{Message: echo, Open: func(c Conn) { conns <- c }},
		})
		f := r.forge(tls.VersionTLS13)
		conn := await(t, conns, "Open")
		frame := []byte(masked(true, codec.OpcodeBinary, long))
		for range messages {
			for rest := frame; len(rest) > 0; {
				n := min(len(rest), 1<<14)
				f.sendRaw(f.seal(typeApplication, rest[:n]))
				rest = rest[n:]
			}
		}
		poll(t, "the echo to wait", func() bool { return conn.Buffered() > 0 })
		if !legal {
			f.sendRaw(f.seal(typeHandshake, bytes.Repeat(keyUpdate, 2)))
			if how := await(t, r.closures, "Close"); how.Code != codec.StatusAbnormalClosure || how.Err == nil {
				t.Errorf("closed with %+v", how)
			}
			continue
		}
		for range 10 {
			f.sendRaw(f.seal(typeHandshake, keyUpdate))
			f.nextKeys()
		}
		f.sendRaw(f.message("after"))
		for range messages {
			f.expect(codec.OpcodeBinary, long)
		}
		f.expect(codec.OpcodeText, "after")
		if n := r.stats().KeyUpdates.Load(); n != 10 {
			t.Errorf("%d key updates were answered", n)
		}
	}
}

// TestTLSBadHellos (W05, W06, W08, W10, W17) begins with first flights that are refused with an alert. No callback hears of them, and the log gets nothing that the peer chose.
func TestTLSBadHellos(t *testing.T) {
	r0 := &secureServer{}
	config := r0.config()
	config.NextProtos = []string{"http/1.1"}
	controls := r0.config()
	controls.NextProtos = []string{"\r\n\x00", "\x1b[2J"}
	spoil := func(change func(b []byte) []byte) []byte { return change(firstFlight(t, config)) }
	for _, test := range []struct {
		name  string
		sent  []byte
		alert tls.AlertError // 0: it is encrypted
	}{
		{"LongestW05", longHello(1<<16 - 1), alertDecodeError},
		{"LongerW05", longHello(1<<16 + 1), alertInternalError},
		{"RecordOverflowW06", []byte{typeHandshake, 3, 1, 0x48, 0x01}, alertRecordOverflow},
		{"SpansLevelsW08", spoil(func(b []byte) []byte {
			b = append(b, 1, 0, 0, 0)
			binary.BigEndian.PutUint16(b[3:], uint16(len(b)-5))
			return b
		}), 0},
		{"ProtocolListTooLongW10", spoil(func(b []byte) []byte {
			b[bytes.Index(b, []byte("\x08http/1.1"))-1]++
			return b
		}), alertDecodeError},
		{"ProtocolTooLongW10", spoil(func(b []byte) []byte {
			b[bytes.Index(b, []byte("\x08http/1.1"))]++
			return b
		}), alertDecodeError},
		{"ProtocolWithControlsW10", firstFlight(t, controls), alertNoProtocol},
		{"EarlyDataW17", spoil(withEarlyData), alertUnsupported},
	} {
		t.Run(test.name, func(t *testing.T) {
			log := &lockedBuffer{}
			r := serveSecure(t, &Server{Logger: slog.New(slog.NewTextHandler(log, nil)), Events: Events{Message: echo}})
			c := r.dial()
			c.write(string(test.sent))
			if test.alert != 0 {
				c.expectAlert(test.alert)
			} else {
				c.expectGone()
			}
			c.Close()
			stats := r.stats()
			poll(t, "the connection to end", func() bool { return stats.Pending.Load() == 0 })
			var failed uint64
			for _, class := range tlsdriver.Classes() {
				n, _ := stats.Failed(class)
				failed += n
			}
			if failed != 1 || r.opens.Load() != 0 || r.Stats().Handshakes != 0 || r.Stats().Connections != 0 {
				t.Errorf("%d failures, %d calls of Open, %+v", failed, r.opens.Load(), r.Stats())
			}
			if text := log.String(); strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' }) {
				t.Errorf("logged %q", text)
			}
			r.upgraded(r.config()).echoes("still here")
		})
	}
}

// longHello is a ClientHello of n bytes, in records of 16 KiB.
func longHello(n int) (all []byte) {
	message := make([]byte, 4+n)
	binary.BigEndian.PutUint32(message, 1<<24|uint32(n))
	for len(message) > 0 {
		k := min(len(message), 1<<14)
		all = append(all, typeHandshake, 3, 1, byte(k>>8), byte(k))
		all = append(all, message[:k]...)
		message = message[k:]
	}
	return all
}

// withEarlyData adds the extension early_data to a ClientHello (RFC 8446 section 4.2.10), and behind it what an upgrade that is replayed would look like.
func withEarlyData(b []byte) []byte {
	b = append(b, 0, 42, 0, 0)
	at := 5 + 4 + 2 + 32
	at += 1 + int(b[at])
	at += 2 + int(binary.BigEndian.Uint16(b[at:]))
	at += 1 + int(b[at])
	binary.BigEndian.PutUint16(b[at:], binary.BigEndian.Uint16(b[at:])+4)
	binary.BigEndian.PutUint16(b[3:], uint16(len(b)-5))
	binary.BigEndian.PutUint16(b[7:], uint16(len(b)-9))
	request := head("/early")
	b = append(b, typeApplication, 3, 3, byte(len(request)>>8), byte(len(request)))
	return append(b, request...)
}

// TestTLSAnnouncedHelloW04 announces 16 MiB, and sends nine bytes. They cost no more than their connection, and are ended by HandshakeTimeout.
func TestTLSAnnouncedHelloW04(t *testing.T) {
	const many = 200
	r := serveSecure(t, &Server{HandshakeTimeout: time.Second, Events: Events{Message: echo}})
	// On a busy machine a client may not get in within the timeout.
	poll(t, "a client to get in", func() bool { return visit(r.addr, r.config()) == nil })
	stats := r.stats()
	poll(t, "the handshakes to end", func() bool { return stats.Pending.Load() == 0 })
	late := stats.TimedOut.Load()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var all []*client
	for range many {
		c := r.dial()
		_, _ = c.Conn.Write([]byte{typeHandshake, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff})
		all = append(all, c)
	}
	poll(t, "the deadline", func() bool { return stats.TimedOut.Load() == late+many })
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / many; n > 64<<10 {
		t.Errorf("%d bytes were allocated for each, clients with them", n)
	}
	for _, c := range all {
		c.expectGone()
	}
	if n := stats.Pending.Load(); n != 0 || r.opens.Load() != 1 {
		t.Errorf("%d are pending, %d calls of Open", n, r.opens.Load())
	}
}
