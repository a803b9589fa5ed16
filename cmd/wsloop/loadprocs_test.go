package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/load"
	findings "github.com/wsloop/wsloop/cmd/wsloop/internal/report"
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// watched is a server that counts.
type watched struct {
	url string

	mu               sync.Mutex
	cond             *sync.Cond
	opened, ended    int
	received         int
	endedWithoutCode int // connections that were cut off
}

func watch(t *testing.T, answer func(engine.Conn, codec.Opcode, []byte)) *watched {
	t.Helper()
	w := &watched{}
	w.cond = sync.NewCond(&w.mu)
	count := func(of ...*int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, n := range of {
			*n++
		}
		w.cond.Broadcast()
	}
	s := &engine.Server{Events: engine.Events{
		Open: func(engine.Conn) { count(&w.opened) },
		Message: func(c engine.Conn, op codec.Opcode, payload []byte) {
			count(&w.received)
			answer(c, op, payload)
		},
		Close: func(_ engine.Conn, how engine.Closure) {
			if how.Err != nil {
				count(&w.ended, &w.endedWithoutCode)
			} else {
				count(&w.ended)
			}
		},
	}}
	listeners, err := s.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(listeners...)
	t.Cleanup(func() { s.Close() })
	w.url = "ws://" + listeners[0].Addr().String() + "/"
	return w
}

// await waits until one of the numbers is at least n. The test's own deadline bounds it.
func (w *watched) await(number *int, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for *number < n {
		w.cond.Wait()
	}
}

func answerEcho(c engine.Conn, op codec.Opcode, payload []byte) { _, _ = c.Send(op, payload) }

func readReport(t *testing.T, path string) *findings.Report {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := findings.ReadJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What three processes did is one report.
func TestLoadProcs(t *testing.T) {
	t.Parallel()
	w := watch(t, answerEcho)
	path := filepath.Join(t.TempDir(), "r.json")
	status, stdout, stderr := loadRun(t, "-procs", "3", "-c", "10", "-rate", "300", "-warmup", "0", "-duration", "300ms", "-drain", "1m", "-json", path, w.url)
	if status != 0 || !strings.Contains(stderr, "/10") {
		t.Fatalf("status %d\n%s\n%s", status, stdout, stderr)
	}
	r := readReport(t, path)
	w.await(&w.ended, 10)
	if r.Connect.Opened != 10 || w.opened != 10 || w.endedWithoutCode != 0 || r.Settings.Procs != 3 || r.ErrorCount() != 0 {
		t.Errorf("%+v %v; the server saw %d, cut off %d", r.Connect, r.Errors, w.opened, w.endedWithoutCode)
	}
	var sent, received uint64
	for _, second := range r.Series {
		sent += second.Sent
		received += second.Received
	}
	if n := uint64(w.received); n == 0 || sent != n || received != n || r.Messages.Sent == 0 || r.Latency.Corrected.Count() > n {
		t.Errorf("%d sent and %d received in all seconds, of the measurement %+v; the server received %d", sent, received, r.Messages, n)
	}
}

// A second Ctrl-C ends the drain, and the children with it.
func TestLoadProcsInterruptedTwice(t *testing.T) {
	t.Parallel()
	w := watch(t, func(engine.Conn, codec.Opcode, []byte) {}) // so that there is something to wait for
	// Tests that a shell runs in the background ignore SIGINT, and so would what they start; now it begins with what is usual.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	p := launch(t, "load", "-procs", "2", "-c", "10", "-warmup", "0", "-duration", "1h", "-drain", "1h", w.url)
	signal.Stop(interrupts)
	w.await(&w.received, 10)
	go func() {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for p.Process.Signal(os.Interrupt) == nil { // two that come close together are one
			<-ticker.C
		}
	}()
	_, stdout, stderr := p.exit()
	if how := p.ProcessState.String(); how != "signal: interrupt" || stdout != "" {
		t.Errorf("%s\n%s\n%s", how, stdout, stderr)
	}
	w.await(&w.ended, 10)
}

// Children do not outlive their parent.
func TestLoadProcsParentKilled(t *testing.T) {
	t.Parallel()
	w := watch(t, answerEcho)
	p := launch(t, "load", "-procs", "2", "-c", "10", "-warmup", "0", "-duration", "1h", "-drain", "1h", w.url)
	w.await(&w.received, 100)
	p.kill(p.Process.Pid)
	w.await(&w.ended, 10)
	p.exit() // which waits until nobody has its output open
}

// What cannot succeed is told before the start, and -check tells nothing else.
func TestLoadCheck(t *testing.T) {
	t.Parallel()
	w := watch(t, answerEcho)
	status, stdout, stderr := loadRun(t, "-check", "-c", "5", w.url)
	if status != 0 || stdout != "" || !strings.Contains(stderr, "nothing that is known is short") {
		t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
	}
	if status, _, stderr := loadRun(t, append(slices.Clone(quick), "-check", "-server-pid", fmt.Sprint(os.Getpid()), w.url)...); status != 0 {
		t.Errorf("status %d\n%s", status, stderr)
	}
	c := &loadConfig{run: load.Config{URLs: []string{w.url}, Connections: 2_000_000_000}}
	var told strings.Builder
	if n := load.Look(t.Context(), &c.run, 0); n.Descriptors > 0 {
		if err := c.checkLimits(t.Context(), &told); !errors.Is(err, errUsage) || !strings.Contains(told.String(), "descriptors") {
			t.Errorf("%v: %s", err, &told)
		}
		for _, check := range []string{"-check", "-quiet"} {
			if status, stdout, stderr := loadRun(t, check, "-c", "2000000000", w.url); status != 2 || stdout != "" || !strings.Contains(stderr, "-procs ") {
				t.Errorf("%s: status %d\n%s\n%s", check, status, stdout, stderr)
			}
		}
	}
	if w.opened != 0 {
		t.Errorf("%d connections were opened", w.opened)
	}
	if status, _, stderr := loadRun(t, "-procs", "11", "-c", "10", w.url); status != 2 || !strings.Contains(stderr, "-procs") {
		t.Errorf("status %d\n%s", status, stderr)
	}
}

// The child command is of no use to anybody but load.
func TestLoadChildAlone(t *testing.T) {
	t.Parallel()
	if status, stdout, stderr := loadRun(t, "child"); status != 1 || stdout != "" || !strings.Contains(stderr, "load -procs") {
		t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
	}
}

// The report of children can be read by this version.
func TestLoadProcsJSON(t *testing.T) {
	t.Parallel()
	w := watch(t, answerEcho)
	status, stdout, stderr := loadRun(t, append(slices.Clone(quick), "-quiet", "-procs", "2", "-json", "-", w.url)...)
	if status != 0 || !json.Valid([]byte(stdout)) {
		t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
	}
}
