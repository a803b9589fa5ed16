package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/report"
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// patience bounds every wait of a test; nothing is measured by it.
const patience = 60 * time.Second

// serve runs a server on a free port until the test ends, and returns its URL.
func serve(t testing.TB, s *engine.Server) (url string) {
	t.Helper()
	listeners, err := s.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Logger = slog.New(slog.DiscardHandler)
	served := make(chan error, 1)
	go func() { served <- s.Serve(listeners...) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; !errors.Is(err, engine.ErrServerClosed) {
			t.Error(err)
		}
	})
	return fmt.Sprintf("ws://%s/", listeners[0].Addr())
}

func echo(c engine.Conn, op codec.Opcode, payload []byte) { _, _ = c.Send(op, payload) }

func echoServer() *engine.Server {
	return &engine.Server{Loops: 1, Events: engine.Events{Message: echo}}
}

// broadcastServer sends each message to all connections.
func broadcastServer() *engine.Server {
	var mu sync.Mutex
	all := make(map[engine.Conn]bool)
	return &engine.Server{Loops: 1, Overflow: engine.Overflow{Policy: engine.OverflowDropNewest}, Events: engine.Events{
		Open: func(c engine.Conn) {
			mu.Lock()
			defer mu.Unlock()
			all[c] = true
		},
		Message: func(_ engine.Conn, op codec.Opcode, payload []byte) {
			mu.Lock()
			defer mu.Unlock()
			for c := range all {
				echo(c, op, payload)
			}
		},
		Close: func(c engine.Conn, _ engine.Closure) {
			mu.Lock()
			defer mu.Unlock()
			delete(all, c)
		},
	}}
}

// unused is a URL on which nobody listens. Its port is that of a connection until the test ends, so nobody else gets it.
func unused(t testing.TB) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return fmt.Sprintf("ws://%s/", conn.LocalAddr())
}

// small is a short run of ten connections.
func small(url string) Config {
	return Config{
		URLs: []string{url}, Connections: 10, Size: DefaultSize, Warmup: 50 * time.Millisecond, Duration: 300 * time.Millisecond, Drain: patience,
	}
}

// run runs c, which must succeed.
func run(t *testing.T, c Config) *report.Report {
	t.Helper()
	return runUntil(t, context.Background(), c)
}

func runUntil(t *testing.T, ctx context.Context, c Config) *report.Report {
	t.Helper()
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	r, err := Run(ctx, c, []string{"load"}, nil)
	if err != nil {
		t.Fatal(err, r)
	}
	return r
}

// runSome is run, again and for longer if the machine was so busy that nothing was measured.
func runSome(t *testing.T, c Config) *report.Report {
	t.Helper()
	for ; ; c.Duration *= 2 {
		r := run(t, c)
		if r.Latency.Corrected.Count() > 0 && r.Messages.Received > 0 || c.Duration > patience/2 {
			return r
		}
	}
}

// runFor is run with a measurement that goes on until it has seen enough, however slow the machine is.
func runFor(t *testing.T, c Config, what string, enough func(all *Sample) bool) *report.Report {
	t.Helper()
	w := connected(t, c)
	w.Measure() // before the first message, so that all are measured
	w.Begin()
	var all Sample
	eventually(t, what, func() bool {
		s := w.Sample()
		all.add(&s)
		return enough(&all)
	})
	w.End()
	w.Drain(t.Context())
	return w.Report(nil)
}

// connected is a worker whose connections are open.
func connected(t *testing.T, c Config) *Worker {
	t.Helper()
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	w, err := NewWorker(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	if err := w.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// noErrors fails for any error of a report.
func noErrors(t *testing.T, r *report.Report) {
	t.Helper()
	for cause, n := range r.Errors {
		t.Errorf("%d times: %s", n, cause)
	}
}

// onlyError fails unless a cause occurred, and no other did.
func onlyError(t *testing.T, r *report.Report, want string) {
	t.Helper()
	if r.Errors[want] == 0 {
		t.Errorf("%q did not occur", want)
	}
	for cause, n := range r.Errors {
		if cause != want {
			t.Errorf("%d times: %s", n, cause)
		}
	}
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// counter counts what a server saw.
type counter = atomic.Int64
