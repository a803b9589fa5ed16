package load

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/handshake"
)

// answerer is a server of plain bytes: it reads a head, writes answer, does what comes then, and closes.
func answerer(t *testing.T, answer string, then func(c *net.TCPConn)) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(patience))
				in := bufio.NewReader(conn)
				for line := "?"; strings.TrimSpace(line) != ""; {
					if line, err = in.ReadString('\n'); err != nil {
						return
					}
				}
				io.WriteString(conn, answer)
				if then != nil {
					then(conn.(*net.TCPConn))
				}
			}()
		}
	}()
	return fmt.Sprintf("ws://%s/", listener.Addr())
}

func TestNoConnection(t *testing.T) {
	t.Parallel()
	refusing := echoServer()
	refusing.Events.Upgrade = func(_ engine.Conn, _ *handshake.Request, w *handshake.Response) { w.Refuse(403, "no") }
	reset := func(c *net.TCPConn) { c.SetLinger(0) }
	hold := func(c *net.TCPConn) { io.Copy(io.Discard, c) }
	for want, url := range map[string]string{
		"connection refused":                                 unused(t),
		"handshake answered 403 Forbidden":                   serve(t, refusing),
		"handshake answered 503 Service Unavailable":         answerer(t, "HTTP/1.1 503 Busy\r\n\r\n", nil),
		"closed by the server in the handshake":              answerer(t, "HTTP/1.1", nil),
		"reset by the server in the handshake":               answerer(t, "HTTP/1.1", reset),
		"timed out in the handshake":                         answerer(t, "HTTP/1.1", hold),
		"handshake answered wrongly: Sec-WebSocket-Accept m": answerer(t, "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", nil),
	} {
		c := small(url)
		c.Timeout = patience
		if strings.HasPrefix(want, "timed out") {
			c.Timeout = time.Second
		}
		if err := c.Complete(); err != nil {
			t.Fatal(err)
		}
		r, err := Run(t.Context(), c, nil, nil)
		if !errors.Is(err, errNoConnection) || r == nil {
			t.Fatalf("%s: %v", want, err)
		}
		for cause, n := range r.Errors {
			if !strings.HasPrefix(cause, want) || n != 10 {
				t.Errorf("%d times %q, want %q", n, cause, want)
			}
		}
		if r.Connect.Failed != 10 || r.Connect.Opened != 0 || len(r.Errors) != 1 {
			t.Errorf("%s: %+v %v", want, r.Connect, r.Errors)
		}
	}
}

// In churn clients that fail try again, and what is never reached is an error.
func TestNoConnectionInChurn(t *testing.T) {
	t.Parallel()
	c := small(unused(t))
	c.Scenario = Churn
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), c, nil, nil)
	if !errors.Is(err, errNoConnection) || r.Errors["connection refused"] <= 10 {
		t.Errorf("%v: %v", err, r.Errors)
	}
}

func TestLost(t *testing.T) {
	t.Parallel()
	for want, end := range map[string]func(c engine.Conn){
		"closed by the server with 1013":             func(c engine.Conn) { c.Close(codec.StatusTryAgainLater, "") },
		"closed by the server without a Close frame": func(c engine.Conn) { c.Abort() },
	} {
		s := echoServer()
		s.Events.Message = func(c engine.Conn, op codec.Opcode, payload []byte) { end(c) }
		c := small(serve(t, s))
		c.Rate, c.Drain = 1000, 10*time.Millisecond
		w := connected(t, c)
		w.Measure() // before the first message, so that all are measured
		w.Begin()
		eventually(t, "messages that cannot be sent", func() bool { return w.Sample().Causes[causeGone] > 0 && w.opened.Load() == 0 })
		w.End()
		if n := w.waiting(); n != 0 {
			t.Errorf("%s: the drain waits for %d answers that cannot come", want, n)
		}
		w.Drain(t.Context())
		r := w.Report(nil)
		if n := r.Errors[want] + r.Errors["reset by the server"]; n != 10 || r.Connect.Lost != 10 {
			t.Errorf("%s: %v %+v", want, r.Errors, r.Connect)
		}
		// What was sent and never answered counts, and so does what could not be sent any more.
		if r.Errors[causeGone] == 0 || r.Errors[causeUnanswered] == 0 {
			t.Errorf("%s: %v", want, r.Errors)
		}
	}
}

func TestWrongAnswers(t *testing.T) {
	t.Parallel()
	for want, answer := range map[string]func(c engine.Conn, op codec.Opcode, payload []byte){
		causeOther: func(c engine.Conn, op codec.Opcode, payload []byte) { echo(c, op, payload[1:]) },
		causeUnasked: func(c engine.Conn, op codec.Opcode, payload []byte) {
			echo(c, op, payload)
			echo(c, op, payload)
		},
	} {
		s := echoServer()
		s.Events.Message = answer
		c := small(serve(t, s))
		c.Rate = 100
		onlyError(t, run(t, c), want)
	}
	s := echoServer()
	s.Events.Message = func(c engine.Conn, op codec.Opcode, payload []byte) { echo(c, op, payload[1:]) }
	c := small(serve(t, s))
	c.Scenario, c.Rate, c.Drain = Broadcast, 100, 10*time.Millisecond
	runFor(t, c, "answers without a stamp", func(all *Sample) bool { return all.Causes[causeNoStamp] > 0 })
}

// A server that reads nothing fills the buffers: what does not fit is counted.
func TestBufferFull(t *testing.T) {
	t.Parallel()
	s := echoServer()
	s.MaxInFlight, s.MaxInFlightBytes = 1, 1
	s.Events.Open = func(c engine.Conn) { c.Pause() }
	c := small(serve(t, s))
	c.Connections, c.Rate, c.Size, c.Warmup, c.Drain = 1, 1000, 1<<20, 0, 10*time.Millisecond
	full := sendCause(engine.ErrBufferFull)
	some := func(all *Sample) bool { return all.Causes[full] > 0 }
	r := runFor(t, c, "a full buffer", some)
	if r.Errors[causeUnanswered] == 0 {
		t.Errorf("%v", r.Errors)
	}
	n, unsent := r.Errors[causeUnanswered], r.Errors[causeUnsent]
	if n+unsent != r.Latency.Corrected.Count() || n > r.Messages.Sent {
		t.Errorf("%d unanswered and %d unsent, %d latencies, %d sent", n, unsent, r.Latency.Corrected.Count(), r.Messages.Sent)
	}
	c.Fragments = 3
	runFor(t, c, "a full buffer in fragments", some)
}

func TestCausesInWords(t *testing.T) {
	t.Parallel()
	other := errors.New("strange")
	for want, err := range map[string]error{
		"timed out in connecting": &engine.DialError{Op: engine.DialConnect, Err: &engine.TimeoutError{Deadline: engine.HandshakeDeadline}},
		"no local port is left for this target, or no such source address": &engine.DialError{Op: engine.DialConnect, Err: syscall.EADDRNOTAVAIL},
		"no file descriptor is left":                                       syscall.EMFILE,
		"error in connecting: strange":                                     other,
	} {
		if got := dialCause(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
	for want, how := range map[string]engine.Closure{
		"the server broke the protocol: bad":         {Err: &codec.ProtocolError{Reason: "bad"}},
		"no answer to a ping":                        {Err: &engine.TimeoutError{Deadline: engine.PongDeadline}},
		"no end after the closing handshake began":   {Err: &engine.TimeoutError{Deadline: engine.CloseDeadline}},
		"given up in the middle of a message":        {Err: engine.ErrAborted},
		"reset by the server":                        {Err: syscall.ECONNRESET},
		"closed by the server without a status code": {Code: codec.StatusNoStatusRcvd},
		"connection lost: strange":                   {Err: other},
	} {
		if got := closeCause(how); got != want {
			t.Errorf("%v: %q, want %q", how, got, want)
		}
	}
	if got := sendCause(engine.ErrMemory); !strings.Contains(got, "memory") {
		t.Error(got)
	}
	if got := sendCause(other); got != "not sent: strange" {
		t.Error(got)
	}
}

// There may be no end of causes, but only so many are told apart.
func TestCausesAreBounded(t *testing.T) {
	t.Parallel()
	var all tally
	for i := range 10 * maxCauses {
		all.fail(fmt.Sprint(i), 2)
	}
	all.fail("none", 0)
	if len(all.errors) > maxCauses+1 || all.errorCount() != 20*maxCauses {
		t.Errorf("%d causes, %d errors", len(all.errors), all.errorCount())
	}
}
