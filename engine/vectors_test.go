package engine

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/codec/codectest"
	"github.com/wsloop/wsloop/handshake"
)

// vector is a case of codec/testdata as a server meets it.
type vector struct {
	*codectest.Case
	events []string // what the callbacks are to see
	wire   []string // what an echo server is to send
	closed bool     // the server ends the connection by itself
}

// loadVectors returns the cases for a server, by their limits.
func loadVectors(t testing.TB) map[[2]string][]*vector {
	cases := codectest.Load(t, "../codec/testdata")
	all, server, client := make(map[[2]string][]*vector), 0, 0
	for i := range cases {
		c := &cases[i]
		if c.Options["role"] == "client" {
			client++
			continue
		}
		server++
		limits := [2]string{c.Options["limit-message"], c.Options["limit-fragments"]}
		all[limits] = append(all[limits], newVector(t, c))
	}
	t.Logf("%d cases for a server; %d are for a client, which the engine is not", server, client)
	if server < 500 {
		t.Errorf("only %d cases", server)
	}
	return all
}

func newVector(t testing.TB, c *codectest.Case) *vector {
	v := &vector{Case: c}
	for _, want := range c.Want {
		kind, rest, _ := strings.Cut(want, " ")
		switch kind {
		case "text", "binary":
			payload := payloadEvent(kind, byteExpression(t, rest))
			v.events, v.wire = append(v.events, payload), append(v.wire, payload)
		case "ping":
			payload := byteExpression(t, rest)
			v.events = append(v.events, payloadEvent("ping", payload))
			v.wire = append(v.wire, payloadEvent("pong", payload))
		case "pong":
			v.events = append(v.events, payloadEvent(kind, byteExpression(t, rest)))
		case "close":
			code, reason, _ := strings.Cut(rest, " ")
			v.events = append(v.events, fmt.Sprintf("close %s %q", code, byteExpression(t, reason)))
			v.wire = append(v.wire, "close "+code)
			v.closed = true
		case "fail":
			v.events, v.wire = append(v.events, want), append(v.wire, "close "+rest)
			v.closed = true
		default:
			t.Fatalf("%v: unknown event %s", c, want)
		}
	}
	return v
}

func byteExpression(t testing.TB, expr string) []byte {
	b, err := codectest.Bytes(expr)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// payloadEvent names long payloads by their hash.
func payloadEvent(kind string, payload []byte) string {
	if len(payload) > 1000 {
		return fmt.Sprintf("%s of %d bytes, %x", kind, len(payload), sha256.Sum256(payload))
	}
	return fmt.Sprintf("%s %q", kind, payload)
}

// wireEvents reads what the server sent after its 101.
func wireEvents(sent []byte) (events []string) {
	_, sent, found := bytes.Cut(sent, []byte("\r\n\r\n"))
	if !found {
		return []string{"no response"}
	}
	all, err := frames(sent)
	for _, f := range all {
		switch {
		case f.op == codec.OpcodeClose:
			reason := f.payload[min(2, len(f.payload)):] // an answer carries none
			events = append(events, strings.TrimSpace(fmt.Sprintf("close %d %s", code(f.payload), reason)))
		case !f.fin:
			events = append(events, "a fragment")
		default:
			events = append(events, payloadEvent(f.op.String(), f.payload))
		}
	}
	if err != nil {
		events = append(events, err.Error())
	}
	return events
}

// recorder notes the callbacks of one connection.
type recorder struct {
	events []string
	ended  chan struct{} // closed in Close
}

func record(c Conn, event string) {
	r := c.Data().(*recorder)
	r.events = append(r.events, event)
}

// vectorServer echoes, and records in the recorder that the path names.
func vectorServer(t testing.TB, limits [2]string, recorders *sync.Map) *Server {
	return &Server{
		MaxMessageBytes: number(t, limits[0], math.MaxInt64), MaxFragments: int(number(t, limits[1], math.MaxUint32)),
		MaxBufferedBytes: math.MaxInt32, HandshakeTimeout: never, CloseTimeout: never, Loops: 2,
		Events: Events{
			Upgrade: func(c Conn, r *handshake.Request, _ *handshake.Response) {
				to, _ := recorders.Load(string(r.Path()))
				c.SetData(to)
			},
			Message: func(c Conn, op codec.Opcode, payload []byte) {
				record(c, payloadEvent(op.String(), payload))
				echo(c, op, payload)
			},
			Ping: func(c Conn, payload []byte) { record(c, payloadEvent("ping", payload)) },
			Pong: func(c Conn, payload []byte) { record(c, payloadEvent("pong", payload)) },
			Close: func(c Conn, how Closure) {
				var violation *codec.ProtocolError
				if errors.As(how.Err, &violation) {
					record(c, fmt.Sprintf("fail %d", violation.Code))
				} else if how.Code != codec.StatusAbnormalClosure {
					record(c, fmt.Sprintf("close %d %q", how.Code, how.Reason))
				}
				close(c.Data().(*recorder).ended)
			},
		},
	}
}

func number(t testing.TB, s string, otherwise int64) int64 {
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestVectorsInMemory runs every case in every cut, exactly as cut.
func TestVectorsInMemory(t *testing.T) {
	for limits, vectors := range loadVectors(t) {
		var recorders sync.Map
		s := vectorServer(t, limits, &recorders)
		m := newMemory(t, s)
		for _, v := range vectors {
			for lengths := range codectest.Cuts(len(v.In)) {
				r := &recorder{ended: make(chan struct{})}
				recorders.Store("/", r)
				c := m.accept()
				m.data(c, []byte(head("/")))
				for piece := range codectest.Pieces(v.In, lengths) {
					m.data(c, piece)
				}
				if v.closed != m.over(c) {
					t.Fatalf("%v cut %s: ended by the server: %t", v, brief(lengths), !v.closed)
				}
				m.eof(c)
				if !m.gone(c) {
					t.Fatalf("%v cut %s: still open after FIN", v, brief(lengths))
				}
				v.check(t, r, m.take(c), lengths)
			}
		}
		if n := s.Stats().Connections; n != 0 {
			t.Errorf("%d connections left", n)
		}
	}
}

// brief is what a report says of where a case was cut.
func brief(lengths []int) string {
	if len(lengths) > 10 {
		return fmt.Sprintf("%v and so on", lengths[:10])
	}
	return fmt.Sprint(lengths)
}

// check compares what was seen, on both sides, with what is wanted.
func (v *vector) check(t testing.TB, r *recorder, sent []byte, lengths []int) {
	t.Helper()
	if !slices.Equal(r.events, v.events) {
		t.Errorf("%v cut %s: callbacks %.300q\nwant %.300q", v, brief(lengths), r.events, v.events)
	}
	if wire := wireEvents(sent); !slices.Equal(wire, v.wire) {
		t.Errorf("%v cut %s: sent %.300q\nwant %.300q", v, brief(lengths), wire, v.wire)
	}
}

// TestVectorsOverTCP runs every case whole and byte by byte, each byte a write of its own, and the
// shorter ones cut in two at every offset. The kernel may join what was cut: TestVectorsInMemory is
// exact. With TLS each piece is a record, and records are not joined.
func TestVectorsOverTCP(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			for limits, vectors := range loadVectors(t) {
				playVectors(t, &tr, limits, vectors)
			}
		})
	}
}

// playVectors runs cases that have their limits in common.
func playVectors(t *testing.T, tr *transport, limits [2]string, vectors []*vector) {
	type job struct {
		*vector
		lengths []int
	}
	var recorders sync.Map
	s, dial := tr.serve(t, vectorServer(t, limits, &recorders))
	jobs := make(chan job)
	var workers sync.WaitGroup
	for worker := range 4 * runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			path := fmt.Sprintf("/%d", worker)
			for j := range jobs {
				r := &recorder{ended: make(chan struct{})}
				recorders.Store(path, r)
				sent := j.run(t, dial, path, j.lengths)
				await(t, r.ended, "Close")
				j.check(t, r, sent, j.lengths)
			}
		})
	}
	for _, v := range vectors {
		for lengths := range codectest.Cuts(len(v.In)) {
			if len(lengths) == 2 && (len(v.In) > tr.inTwo || testing.Short()) {
				break // the cuts in two come last
			}
			jobs <- job{v, slices.Clone(lengths)}
		}
	}
	close(jobs)
	workers.Wait()
	s.stop()
}

// run plays a case over a connection and returns all that the server sent.
func (v *vector) run(t testing.TB, dial func() (halfCloser, error), path string, lengths []int) []byte {
	conn, err := dial()
	if err != nil {
		t.Error(err)
		return nil
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	io.WriteString(conn, head(path))
	for piece := range codectest.Pieces(v.In, lengths) {
		conn.SetDeadline(time.Now().Add(patience)) // there are up to 65,000, over TLS a record each
		if _, err := conn.Write(piece); err != nil {
			break // bytes behind a Close frame may meet a closed connection
		}
	}
	if !v.closed {
		conn.CloseWrite()
	}
	conn.SetDeadline(time.Now().Add(3 * patience)) // the server may have much of it to read yet
	return readToEnd(t, conn, v)
}

// readToEnd reads until the server has closed its side. Closing under bytes that came behind a Close
// frame resets the connection, after what was sent.
func readToEnd(t testing.TB, conn net.Conn, v *vector) []byte {
	sent, err := io.ReadAll(conn)
	afterClose := v.closed && strings.HasPrefix(v.events[len(v.events)-1], "close")
	if err != nil && !(afterClose && errors.Is(err, syscall.ECONNRESET)) {
		t.Errorf("%v: %v", v, err)
	}
	return sent
}
