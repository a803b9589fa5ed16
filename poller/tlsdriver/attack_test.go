package tlsdriver_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// alerts (RFC 8446 section 6).
const (
	alertUnexpectedMessage = 10
	alertBadRecordMAC      = 20
	alertRecordOverflow    = 22
	alertDecodeError       = 50
	alertInternalError     = 80
	alertNoProtocol        = 120
	alertUnsupported       = 110
)

// TestBadHellos (W05, W06, W08, W10, W17) sends first flights that are refused with an alert.
func TestBadHellos(t *testing.T) {
	a := newAuthority(t)
	config := a.client()
	config.NextProtos = []string{"http/1.1"}
	// long is a ClientHello of n bytes, in records of 16 KiB.
	long := func(n int) (all []byte) {
		message := make([]byte, 4+n)
		message[0] = 1
		binary.BigEndian.PutUint32(message, 1<<24|uint32(n))
		for len(message) > 0 {
			k := min(len(message), 1<<14)
			all = append(all, typeHandshake, 3, 1, byte(k>>8), byte(k))
			all = append(all, message[:k]...)
			message = message[k:]
		}
		return all
	}
	controls := a.client()
	controls.NextProtos = []string{"\r\n\x00", "\x1b[2J"}
	for _, test := range []struct {
		name string
		sent []byte
		want byte
	}{
		{"LongestHello", long(1<<16 - 1), alertDecodeError},
		{"LongerHello", long(1<<16 + 1), alertInternalError},
		{"RecordOverflow", []byte{typeHandshake, 3, 1, 0x48, 0x01}, alertRecordOverflow},
		{"SpansLevels", func() []byte {
			b := append(hello(t, config), 1, 0, 0, 0)
			binary.BigEndian.PutUint16(b[3:], uint16(len(b)-5))
			return b
		}(), 0}, // the alert is encrypted by then
		{"ProtocolListTooLong", func() []byte {
			b := hello(t, config)
			at := bytes.Index(b, []byte("\x08http/1.1"))
			b[at-1]++
			return b
		}(), alertDecodeError},
		{"ProtocolTooLong", func() []byte {
			b := hello(t, config)
			b[bytes.Index(b, []byte("\x08http/1.1"))]++
			return b
		}(), alertDecodeError},
		{"ProtocolWithControls", hello(t, controls), alertNoProtocol},
		{"EarlyData", func() []byte {
			b := append(hello(t, config), 0, 42, 0, 0)
			at := extensionsAt(b)
			binary.BigEndian.PutUint16(b[at:], binary.BigEndian.Uint16(b[at:])+4)
			return relength(b)
		}(), alertUnsupported},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, tlsdriver.Options{Config: a.server(t)}, 1, nil)
			c := r.dial()
			if _, err := c.Write(test.sent); err != nil {
				t.Fatal(err)
			}
			if test.want != 0 {
				expectAlert(t, c, test.want)
			}
			expectEnd(t, c)
			c.Close()
			_, err := r.driver.Stats().Failed(tlsdriver.Protocol)
			if err == nil {
				_, err = r.driver.Stats().Failed(tlsdriver.NotTLS)
			}
			if err == nil || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Errorf("the last error is %q", err)
			}
			if len(r.opened) > 0 {
				t.Error("Open came")
			}
		})
	}
}

// TestAnnouncedHello (W04) announces much and sends little.
func TestAnnouncedHello(t *testing.T) {
	const many = 200
	a := newAuthority(t)
	r, clock := newLeapingRig(t, tlsdriver.Options{Config: a.server(t), HandshakeTimeout: time.Hour}, 1)
	echo(t, r.secure(a.client()), []byte("warm"))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var all []*net.TCPConn
	for range many {
		c := r.dial()
		_, _ = c.Write([]byte{typeHandshake, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff})
		all = append(all, c)
	}
	await(t, "all to come", func() bool { return r.driver.Stats().Pending.Load() == many })
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / many; n > 16<<10 {
		t.Errorf("%d bytes were allocated for each, clients with them", n)
	}
	clock.leap.Store(int64(time.Hour))
	for _, c := range all {
		expectEnd(t, c)
	}
}

// TestForgedRecords (W02, W03, W06, W07) sends records that crypto/tls would not.
func TestForgedRecords(t *testing.T) {
	a := newAuthority(t)
	for _, test := range []struct {
		name  string
		want  tls.AlertError // 0: any end
		cause error
		act   func(f *forger)
	}{
		{"EmptyRecords", alertUnexpectedMessage, nil, func(f *forger) {
			var all []byte
			for range 100 {
				all = append(all, f.seal(typeApplication, nil)...)
			}
			_ = f.sendRaw(all)
		}},
		{"KeyUpdates", alertUnexpectedMessage, nil, func(f *forger) {
			for range 10_000 {
				if f.sendRaw(f.seal(typeHandshake, keyUpdate)) != nil {
					break
				}
				f.nextKeys()
			}
		}},
		{"KeyUpdatesWithData", 0, tlsdriver.ErrKeyUpdates, func(f *forger) {
			// Answers and echo are taken, unread: crypto/tls would mind so many, and say so with keys that are not the forger's.
			go func() { _, _ = io.Copy(io.Discard, f.socket) }()
			for range 10_000 {
				if f.sendRaw(f.seal(typeHandshake, keyUpdate)) != nil {
					break
				}
				f.nextKeys()
				if f.sendRaw(f.seal(typeApplication, []byte{1})) != nil {
					break
				}
			}
		}},
		{"SeveralKeyUpdatesInARecord", alertUnexpectedMessage, nil, func(f *forger) {
			_ = f.sendRaw(f.seal(typeHandshake, bytes.Repeat(keyUpdate, 3)))
		}},
		{"PlaintextTooLong", alertRecordOverflow, nil, func(f *forger) {
			_ = f.sendRaw(f.seal(typeApplication, make([]byte, 1<<14+1)))
		}},
		{"CiphertextTooLong", alertRecordOverflow, nil, func(f *forger) {
			_ = f.sendRaw([]byte{typeApplication, 3, 3, 0x48, 0x01})
		}},
		{"BadMAC", alertBadRecordMAC, nil, func(f *forger) {
			b := f.seal(typeApplication, []byte("hello"))
			b[len(b)-1] ^= 1
			_ = f.sendRaw(b)
		}},
		{"LongHandshakeMessage", alertInternalError, nil, func(f *forger) {
			_ = f.sendRaw(f.seal(typeHandshake, []byte{24, 0xff, 0xff, 0xff}))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, tlsdriver.Options{Config: a.server(t)}, 1, nil)
			f := forge(t, r, a.client())
			test.act(f)
			if test.want != 0 {
				f.expectBroken(test.want)
			}
			err := receive(t, r.closed, "Closed")
			if err == nil || test.cause != nil && !errors.Is(err, test.cause) {
				t.Errorf("Closed with %v", err)
			}
			stats := r.driver.Stats()
			if n := stats.Broken.Load(); n != 1 || !errors.Is(stats.LastBroken(), err) {
				t.Errorf("%d connections are broken, the last with %v", n, stats.LastBroken())
			}
		})
	}
}

// TestKeyUpdate changes keys in the middle of an echo, with and without asking for the same.
func TestKeyUpdate(t *testing.T) {
	a := newAuthority(t)
	r := newRig(t, tlsdriver.Options{Config: a.server(t)}, 1, nil)
	f := forge(t, r, a.client())
	message := pattern(10_000)
	for round := range 20 {
		asks := byte(round % 2)
		b := f.seal(typeApplication, message[:1000])
		b = append(b, f.seal(typeHandshake, []byte{24, 0, 0, 1, asks})...)
		f.nextKeys()
		b = append(b, f.seal(typeApplication, message[1000:])...)
		// At once, and byte by byte.
		for len(b) > 0 {
			n := len(b)
			if round == 5 {
				n = 1
			}
			if err := f.sendRaw(b[:n]); err != nil {
				t.Fatal(err)
			}
			b = b[n:]
		}
		got := make([]byte, 0, len(message))
		for len(got) < len(message) {
			n, err := f.Read(got[len(got):cap(got)])
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			got = got[:len(got)+n]
		}
		if !bytes.Equal(got, message) {
			t.Fatal("the echo differs")
		}
	}
	if n := r.driver.Stats().KeyUpdates.Load(); n != 10 {
		t.Errorf("%d key updates were answered, want 10", n)
	}
}

// TestKeyUpdateInPieces sends the message in records of one byte: crypto/tls stops in the middle of it.
func TestKeyUpdateInPieces(t *testing.T) {
	a := newAuthority(t)
	r := newRig(t, tlsdriver.Options{Config: a.server(t)}, 1, nil)
	f := forge(t, r, a.client())
	for _, b := range keyUpdate {
		if err := f.sendRaw(f.seal(typeHandshake, []byte{b})); err != nil {
			t.Fatal(err)
		}
		r.loops[0].do(func() {})
	}
	f.nextKeys()
	_ = f.sendRaw(f.seal(typeApplication, []byte("hello")))
	got := make([]byte, 5)
	if _, err := f.Read(got); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestOpenSSL has another library echo, change keys both ways (K, k), and fail to renegotiate (R; W01).
func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	a := newAuthority(t)
	for _, test := range []struct {
		version string
		send    []string
		want    string
		broken  bool
	}{
		{"-tls1_3", []string{"one\n", "K\n", "two\n", "k\n", "three\n"}, "one\ntwo\nthree\n", false},
		{"-tls1_2", []string{"one\n", "two\n"}, "one\ntwo\n", false},
		{"-tls1_2", []string{"one\n", "R\n"}, "one\n", true},
	} {
		t.Run(test.version+strings.TrimSpace(test.send[1]), func(t *testing.T) {
			r := newRig(t, tlsdriver.Options{Config: a.server(t)}, 1, nil)
			command := exec.Command(openssl, "s_client", "-connect", r.addr, test.version, "-servername", "localhost")
			in, err := command.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			var out transcript
			command.Stdout, command.Stderr = &out, &out
			echoed := make(chan string, 10)
			for _, h := range r.loops {
				h.do(func() {
					h.data = func(h *handler, tk poller.Token, b []byte) int {
						_ = h.loop.Write(tk, b)
						echoed <- string(b)
						return len(b)
					}
				})
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			receive(t, r.opened, "Open")
			got, commands := "", 0
			said := map[string]string{"K\n": "KEYUPDATE", "k\n": "KEYUPDATE", "R\n": "RENEGOTIATING"}
			for _, line := range test.send {
				// s_client looks for a command at the beginning of what one read brings.
				if _, err := in.Write([]byte(line)); err != nil {
					t.Fatal(err)
				}
				if want := said[line]; want != "" {
					await(t, "s_client to do as it was told", func() bool { return strings.Count(out.String(), want) > commands })
					commands++
					continue
				}
				for want := len(got) + len(line); len(got) < want; {
					got += receive(t, echoed, "the line")
				}
			}
			if test.version == "-tls1_3" {
				await(t, "the key update to be answered", func() bool { return r.driver.Stats().KeyUpdates.Load() == 1 })
			}
			if test.broken {
				if err := receive(t, r.closed, "Closed"); err == nil || r.driver.Stats().Broken.Load() != 1 {
					t.Errorf("Closed with %v", err)
				}
			}
			in.Close()
			_ = command.Wait()
			if got != test.want {
				t.Errorf("%q came, want %q\n%s", got, test.want, out.String())
			}
		})
	}
}

// transcript keeps what a command says.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *transcript) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}
