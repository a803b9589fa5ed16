package load

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/report"
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// childOfTest is set where this binary is to be a child.
const childOfTest = "WSLOOP_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childOfTest) != "" {
		if RunChild(os.Stdin, os.Stdout) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// brood makes children of this binary, which can be killed.
type brood struct {
	t     *testing.T
	mu    sync.Mutex // guards what follows
	kills []context.CancelFunc
	all   []*exec.Cmd
}

// kill ends a child that was made.
func (b *brood) kill(i int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kills[i]()
}

func (b *brood) next() *exec.Cmd {
	b.t.Helper()
	executable, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, kill := context.WithCancel(context.Background())
	b.t.Cleanup(kill)
	cmd := exec.CommandContext(ctx, executable)
	cmd.Env = append(os.Environ(), childOfTest+"=1")
	cmd.Stderr = os.Stderr
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all, b.kills = append(b.all, cmd), append(b.kills, kill)
	return cmd
}

// runProcs runs c in n processes.
func runProcs(t *testing.T, ctx context.Context, c Config, n int, live *Live) (*report.Report, error) {
	t.Helper()
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	return RunProcs(ctx, c, n, (&brood{t: t}).next, []string{"load"}, live)
}

// What several processes did is reported as one run, and is what the server saw.
func TestProcs(t *testing.T) {
	t.Parallel()
	var opened, received counter
	s := echoServer()
	s.Events.Open = func(engine.Conn) { opened.Add(1) }
	s.Events.Message = countingEcho(&received)
	c := small(serve(t, s))
	c.Rate, c.Warmup = 500, 0
	var status bytes.Buffer
	r, err := runProcs(t, t.Context(), c, 3, NewLive(&status, 10))
	if err != nil {
		t.Fatal(err)
	}
	noErrors(t, r)
	if r.Connect.Opened != 10 || r.Connect.Reached != 10 || opened.Load() != 10 || r.Connect.Lost != 0 {
		t.Errorf("%d opened by the server, %+v", opened.Load(), r.Connect)
	}
	var sent, answered uint64
	for _, second := range r.Series {
		sent += second.Sent
		answered += second.Received
	}
	if n := uint64(received.Load()); n == 0 || sent != n || answered != n || r.Messages.Sent == 0 || r.Latency.Corrected.Count() > n {
		t.Errorf("%d received by the server, %d and %d in all seconds, %+v", n, sent, answered, r.Messages)
	}
	if r.Settings.Procs != 3 || r.Settings.Connections != 10 || r.Settings.Rate != 500 || len(r.Command) != 1 || len(r.Series) == 0 {
		t.Errorf("%+v %v", r.Settings, r.Command)
	}
	if !strings.Contains(status.String(), "/10") || !strings.Contains(status.String(), "  out ") {
		t.Errorf("%q", &status)
	}
}

// In a broadcast one connection of all sends, and all of all processes receive.
func TestProcsBroadcast(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	senders := make(map[engine.Conn]bool)
	s := broadcastServer()
	broadcast := s.Events.Message
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	messages := 0
	s.Events.Message = func(c engine.Conn, op codec.Opcode, payload []byte) {
		mu.Lock()
		defer mu.Unlock()
		senders[c] = true
		broadcast(c, op, payload)
		if messages++; messages == 100 { // by then both processes receive, also on a busy machine
			cancel()
		}
	}
	c := small(serve(t, s))
	c.Scenario, c.Rate, c.Duration = Broadcast, 100, patience
	r, err := runProcs(t, ctx, c, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	noErrors(t, r)
	mu.Lock()
	defer mu.Unlock()
	if n := r.Messages.Sent; len(senders) != 1 || n == 0 || r.Messages.Received <= 5*n {
		t.Errorf("%d senders, %+v", len(senders), r.Messages)
	}
}

// A child that is killed is an error of the run, which goes on without it.
func TestProcsChildKilled(t *testing.T) {
	t.Parallel()
	var received counter
	var closed counter
	s := echoServer()
	s.Events.Message = countingEcho(&received)
	s.Events.Close = func(engine.Conn, engine.Closure) { closed.Add(1) }
	c := small(serve(t, s))
	c.Duration = patience
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := &brood{t: t}
	go func() {
		eventually(t, "messages", func() bool { return received.Load() > 0 }) // so all connections are open
		b.kill(0)
		eventually(t, "the end of half of the connections", func() bool { return closed.Load() == 5 })
		before := received.Load()
		eventually(t, "messages of the other half", func() bool { return received.Load() > before+100 })
		cancel()
	}()
	r, err := RunProcs(ctx, c, 2, b.next, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "killed") {
		t.Error(err)
	}
	if r == nil {
		t.Fatal("no report")
	}
	onlyError(t, r, "a process of the generator ended early (signal: killed)")
	if r.Connect.Opened != 10 || r.Connect.Lost != 5 || r.Settings.Procs != 2 {
		t.Errorf("%+v", r.Connect)
	}
}

// Children that are killed while they connect are not waited for.
func TestProcsKilledConnecting(t *testing.T) {
	t.Parallel()
	mute, err := net.Listen("tcp", "127.0.0.1:0") // who connects is never answered
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	c := small("ws://" + mute.Addr().String() + "/")
	c.Timeout = time.Hour
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	b := &brood{t: t}
	go func() {
		for range c.Connections {
			conn, err := mute.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
		}
		b.kill(0)
		b.kill(1)
	}()
	r, err := RunProcs(t.Context(), c, 2, b.next, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "killed") || r != nil {
		t.Errorf("%v %+v", err, r)
	}
}

// The end of ctx ends a run early, and it is reported.
func TestProcsEndedEarly(t *testing.T) {
	t.Parallel()
	var received counter
	s := echoServer()
	s.Events.Message = countingEcho(&received)
	c := small(serve(t, s))
	c.Warmup, c.Duration = 0, time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		eventually(t, "messages", func() bool { return received.Load() > 100 })
		cancel()
	}()
	r, err := runProcs(t, ctx, c, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	noErrors(t, r)
	if r.Connect.Opened != 10 || r.Messages.Received == 0 {
		t.Errorf("%+v %+v", r.Connect, r.Messages)
	}
}

// A run in churn has nothing open when it begins to measure.
func TestProcsChurn(t *testing.T) {
	t.Parallel()
	var opened counter
	s := echoServer()
	s.Events.Open = func(engine.Conn) { opened.Add(1) }
	c := small(serve(t, s))
	c.Scenario, c.Duration = Churn, patience
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		eventually(t, "more lives than clients", func() bool { return opened.Load() > 20 })
		cancel()
	}()
	r, err := runProcs(t, ctx, c, 2, nil)
	if err != nil || r.Connect.Opened < 10 {
		t.Errorf("%v %+v", err, r)
	}
}

// What cannot succeed does not take the time of a run.
func TestProcsCannotBegin(t *testing.T) {
	t.Parallel()
	c := small(unused(t))
	c.Duration = time.Hour
	r, err := runProcs(t, t.Context(), c, 2, nil)
	if !errors.Is(err, errNoConnection) || r == nil || r.Errors["connection refused"] != 10 {
		t.Errorf("%v %+v", err, r)
	}
	c.ServerPIDs = []int{1 << 30}
	if r, err := runProcs(t, t.Context(), c, 2, nil); err == nil || r != nil {
		t.Error("the server's process does not exist")
	}
	c.ServerPIDs, c.Header = nil, []Field{{Name: "Upgrade", Value: "x"}}
	if r, err := runProcs(t, t.Context(), c, 2, nil); err == nil || r != nil || !strings.Contains(err.Error(), "reserved") {
		t.Errorf("%v, of a field that may not be set", err)
	}
}

// Commands that are no children: one that does not exist, and one that says nothing.
func TestProcsNoChildren(t *testing.T) {
	t.Parallel()
	c := small(unused(t))
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	b := &brood{t: t}
	r, err := RunProcs(t.Context(), c, 2, func() *exec.Cmd {
		if len(b.all) == 0 {
			return b.next()
		}
		return exec.Command(filepath.Join(t.TempDir(), "nothing"))
	}, nil, nil)
	if !errors.Is(err, os.ErrNotExist) || r != nil {
		t.Errorf("%v %v", r, err)
	}
	if b.all[0].ProcessState == nil {
		t.Error("the first was left alone")
	}
	for program, want := range map[string]string{"true": "ended early", "false": "exit status 1"} {
		path, err := exec.LookPath(program)
		if err != nil {
			t.Skip(err)
		}
		r, err := RunProcs(t.Context(), c, 2, func() *exec.Cmd { return exec.Command(path) }, nil, nil)
		if r != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v", program, r, err)
		}
	}
	for _, taken := range []func(cmd *exec.Cmd){
		func(cmd *exec.Cmd) { cmd.Stdin = os.Stdin },
		func(cmd *exec.Cmd) { cmd.Stdout = os.Stdout },
	} {
		_, err := RunProcs(t.Context(), c, 1, func() *exec.Cmd {
			cmd := (&brood{t: t}).next()
			taken(cmd)
			return cmd
		}, nil, nil)
		if err == nil {
			t.Error("a child without pipes")
		}
	}
}

// countingEcho echoes, and counts.
func countingEcho(n *counter) func(engine.Conn, codec.Opcode, []byte) {
	return func(c engine.Conn, op codec.Opcode, payload []byte) {
		n.Add(1)
		echo(c, op, payload)
	}
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
