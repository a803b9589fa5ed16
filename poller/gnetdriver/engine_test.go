package gnetdriver_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/gnetdriver"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// patience bounds every wait of a test; nothing is measured by it.
const patience = 60 * time.Second

const hello = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// running is an engine.Server over the driver.
type running struct {
	*engine.Server
	addr string
	stop func() // checks that no connection is left
}

// serve starts a server over two loops, and has it stopped at the end of the test.
func serve(t *testing.T, s *engine.Server) *running {
	t.Helper()
	d, err := gnetdriver.New(gnetdriver.Options{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	return serveDriver(t, s, d)
}

// serveDriver is serve over any driver.
func serveDriver(t *testing.T, s *engine.Server, d poller.ListenerDriver) *running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.AddListener(ln); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.ServeDriver(d) }()
	r := &running{Server: s, addr: ln.Addr().String()}
	r.stop = sync.OnceFunc(func() {
		s.Close()
		if err := receive(t, served, "ServeDriver"); !errors.Is(err, engine.ErrServerClosed) {
			t.Errorf("ServeDriver: %v", err)
		}
		if n := s.Stats().Connections; n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
	t.Cleanup(r.stop)
	return r
}

func receive[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("gave up waiting for %s", what)
		panic("unreachable")
	}
}

// dial connects, with a deadline for all that follows.
func (r *running) dial(t testing.TB) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// open is dial with the opening handshake.
func (r *running) open(t testing.TB) *net.TCPConn {
	t.Helper()
	c := r.dial(t)
	if _, err := io.WriteString(c, hello); err != nil {
		t.Fatal(err)
	}
	var head []byte
	for one := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); head = append(head, one[0]) {
		if _, err := io.ReadFull(c, one); err != nil {
			t.Fatalf("%v after %q", err, head)
		}
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
		t.Fatalf("answer %q", head)
	}
	return c
}

// frame is what a server sent, unfragmented.
type frame struct {
	op      codec.Opcode
	payload []byte
}

// String names long payloads by their length and ends.
func (f frame) String() string {
	switch n := len(f.payload); {
	case f.op == codec.OpcodeClose && n >= 2:
		return fmt.Sprintf("close %d", binary.BigEndian.Uint16(f.payload))
	case f.op == codec.OpcodeClose:
		return "close 1005"
	case n > 200:
		return fmt.Sprintf("%v of %d bytes, %q...%q", f.op, n, f.payload[:100], f.payload[n-100:])
	}
	return fmt.Sprintf("%v %q", f.op, f.payload)
}

// readFrame reads the frame of a server: final, unmasked (RFC 6455 section 5.2).
func readFrame(in io.Reader) (f frame, err error) {
	var h [8]byte
	if _, err := io.ReadFull(in, h[:2]); err != nil {
		return f, err
	}
	n, extended := uint64(h[1]), 0
	f.op = codec.Opcode(h[0] & 0xf)
	switch {
	case h[0]&0xf0 != 0x80 || n > 127:
		return f, fmt.Errorf("frame begins with % x", h[:2])
	case n == 126:
		extended = 2
	case n == 127:
		extended = 8
	}
	if extended > 0 {
		h = [8]byte{}
		if _, err := io.ReadFull(in, h[8-extended:]); err != nil {
			return f, err
		}
		n = binary.BigEndian.Uint64(h[:])
	}
	f.payload = make([]byte, n)
	_, err = io.ReadFull(in, f.payload)
	return f, err
}

func masked(op codec.Opcode, payload []byte) []byte {
	return codec.AppendMaskedFrame(nil, true, op, payload, 0x3d21fa37)
}

func echo(c engine.Conn, op codec.Opcode, payload []byte) { _, _ = c.Send(op, payload) }

// many calls f for each number below n, several at a time.
func many(n int, f func(i int)) {
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range 8 * runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range numbers {
				f(i)
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	workers.Wait()
}

// TestManyConnections has each of many connections echo messages of many lengths, sent without waiting, and close.
func TestManyConnections(t *testing.T) {
	const connections = 400
	s := serve(t, &engine.Server{Events: engine.Events{Message: echo}, MaxBufferedBytes: 64 << 20})
	all := make([]*net.TCPConn, connections)
	for i := range all {
		all[i] = s.open(t)
	}
	many(connections, func(i int) {
		c := all[i]
		var messages [][]byte
		for length := i % 10; length < 200_000; length = length*3 + 1 {
			messages = append(messages, bytes.Repeat([]byte{byte(i), byte(length)}, length/2))
		}
		go func() {
			for _, m := range messages {
				_, _ = c.Write(masked(codec.OpcodeBinary, m))
			}
			_, _ = c.Write(masked(codec.OpcodeClose, []byte{3, 232}))
		}()
		for _, m := range messages {
			if f, err := readFrame(c); err != nil || f.op != codec.OpcodeBinary || !bytes.Equal(f.payload, m) {
				t.Errorf("connection %d: %v, %v; want %d bytes", i, f, err, len(m))
				return
			}
		}
		if f, err := readFrame(c); err != nil || f.String() != "close 1000" {
			t.Errorf("connection %d: %v, %v; want close 1000", i, f, err)
		}
		if n, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("connection %d: %d bytes and %v after the end", i, n, err)
		}
	})
}

// TestSlowPeers has peers that do not read be sent more than sockets take, while others are served, and then
// read it all. Other slow peers go away, or are closed for being slow.
func TestSlowPeers(t *testing.T) {
	const (
		peers    = 6
		messages = 40
		length   = 200 << 10
	)
	message := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, length) }
	drained := make(chan engine.Conn, 1000) // one may be drained several times
	s := serve(t, &engine.Server{MaxBufferedBytes: messages * length * 2, Events: engine.Events{
		Message: func(c engine.Conn, op codec.Opcode, payload []byte) {
			if op == codec.OpcodeText {
				echo(c, op, payload)
				return
			}
			for i := range messages {
				_, _ = c.Send(codec.OpcodeBinary, message(i))
			}
		},
		Drained: func(c engine.Conn) { drained <- c },
	}})
	slow := make([]*net.TCPConn, peers+2)
	for i := range slow {
		slow[i] = s.open(t)
		if _, err := slow[i].Write(masked(codec.OpcodeBinary, nil)); err != nil {
			t.Fatal(err)
		}
	}
	quick := s.open(t)
	for range 100 {
		if _, err := quick.Write(masked(codec.OpcodeText, []byte("hello"))); err != nil {
			t.Fatal(err)
		}
		if f, err := readFrame(quick); err != nil || string(f.payload) != "hello" {
			t.Fatal(f, err)
		}
	}
	slow[peers].Close()
	_ = slow[peers+1].SetLinger(0)
	slow[peers+1].Close()
	many(peers, func(p int) {
		for i := range messages {
			if f, err := readFrame(slow[p]); err != nil || !bytes.Equal(f.payload, message(i)) {
				t.Errorf("peer %d, message %d: %v, %v", p, i, f, err)
				return
			}
		}
	})
	for seen := map[engine.Conn]bool{}; len(seen) < peers && !t.Failed(); {
		seen[receive(t, drained, "Drained")] = true
	}
}

// TestShutdown closes connections with Close frames: one at rest, one that is paused, one that has sent FIN, and one
// that is slow.
func TestShutdown(t *testing.T) {
	big := make([]byte, 8<<20)
	s := serve(t, &engine.Server{MaxBufferedBytes: 64 << 20, Drain: engine.Drain{Rate: 1000}, Events: engine.Events{
		Message: func(c engine.Conn, op codec.Opcode, payload []byte) {
			switch string(payload) {
			case "pause":
				c.Pause()
			case "big":
				_, _ = c.Send(codec.OpcodeBinary, big)
			}
			_, _ = c.Send(op, payload)
		},
	}})
	rest, paused, slow := s.open(t), s.open(t), s.open(t)
	for c, order := range map[*net.TCPConn]string{paused: "pause", slow: "big"} {
		if _, err := c.Write(masked(codec.OpcodeText, []byte(order))); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := readFrame(paused); err != nil || string(f.payload) != "pause" {
		t.Fatal(f, err)
	}
	if _, err := paused.Write(masked(codec.OpcodeText, []byte("not read"))); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(t.Context()) }()
	want := map[*net.TCPConn][]string{
		rest: {"close 1001"}, paused: {"close 1001"},
		slow: {frame{codec.OpcodeBinary, big}.String(), `text "big"`, "close 1001"},
	}
	for c, frames := range want {
		for _, text := range frames {
			if f, err := readFrame(c); err != nil || f.String() != text {
				t.Errorf("%v, %v; want %s", f, err, text)
			}
		}
		if _, err := c.Write(masked(codec.OpcodeClose, []byte{3, 233})); err != nil {
			t.Error(err)
		}
	}
	if err := receive(t, ended, "Shutdown"); err != nil {
		t.Error(err)
	}
}

// TestDialIsRefused has servers over the driver asked for connections, which it does not open: alone, and below TLS.
func TestDialIsRefused(t *testing.T) {
	for name, wrap := range map[string]func(poller.ListenerDriver) (poller.ListenerDriver, error){
		"Alone": func(d poller.ListenerDriver) (poller.ListenerDriver, error) { return d, nil },
		"TLS": func(d poller.ListenerDriver) (poller.ListenerDriver, error) {
			return tlsdriver.Wrap(d, tlsdriver.Options{})
		},
	} {
		d, err := gnetdriver.New(gnetdriver.Options{Loops: 1})
		if err != nil {
			t.Fatal(err)
		}
		top, err := wrap(d)
		if err != nil {
			t.Fatal(err)
		}
		s := serveDriver(t, &engine.Server{}, top)
		s.open(t)
		_, err = s.Dial(t.Context(), "ws://"+s.addr, nil)
		failed, ok := errors.AsType[*engine.DialError](err)
		if !ok || failed.Op != engine.DialConnect || !errors.Is(err, poller.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
		s.stop()
	}
}
