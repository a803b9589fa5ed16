package engine

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// fewEnv has the test binary be a server that finds descriptors for so many connections and no more.
const fewEnv = "WSLOOP_TEST_DESCRIPTORS"

// The process has no descriptor left. Connections that are open go on, those that come wait, and one of them is accepted for
// each that leaves.
func TestDescriptorsRunOutW18(t *testing.T) {
	t.Parallel()
	if n, err := strconv.Atoi(os.Getenv(fewEnv)); err == nil {
		serveFew(t, n)
		return
	}
	const places, waiting = 4, 3
	r := startFew(t, places)
	var open, queue []*client
	for range places {
		open = append(open, r.open())
	}
	for range waiting {
		c := r.dial()
		c.write(head("/"))
		queue = append(queue, c)
	}
	for deadline := time.Now().Add(patience); open[0].ask() == "0"; {
		if time.Now().After(deadline) {
			t.Fatal("no accept failed")
		}
	}
	for len(queue) > 0 {
		for _, c := range open {
			c.ask()
		}
		leaving := open[0]
		leaving.write(closeFrame(codec.StatusNormalClosure, ""))
		leaving.expectClose(codec.StatusNormalClosure)
		leaving.expectEOF()
		if status, _, _ := queue[0].response(); status != 101 {
			t.Fatalf("status %d, want 101", status)
		}
		open, queue = append(open[1:], queue[0]), queue[1:]
	}
	for _, c := range open {
		c.ask()
	}
}

// ask has the server say how many accepts failed.
func (c *client) ask() string {
	c.t.Helper()
	c.send(codec.OpcodeText, "?")
	f := c.read()
	if f.op != codec.OpcodeText {
		c.t.Fatalf("got %v", f)
	}
	return string(f.payload)
}

// startFew runs serveFew in a process of its own.
func startFew(t *testing.T, places int) *running {
	t.Helper()
	p := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout="+patience.String())
	p.Env = append(os.Environ(), fmt.Sprintf("%s=%d", fewEnv, places))
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	t.Cleanup(func() {
		in.Close()
		rest, _ := io.ReadAll(lines)
		if err := p.Wait(); err != nil {
			t.Errorf("the server: %v\n%s", err, rest)
		}
	})
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return &running{t: t, network: "tcp", addr: strings.TrimSpace(line)}
}

// serveFew serves until its input ends.
func serveFew(t *testing.T, places int) {
	s := &Server{MaxConnections: Unlimited, Loops: 2}
	s.Events.Message = func(c Conn, op codec.Opcode, _ []byte) {
		_, _ = c.SendText(strconv.FormatUint(s.Stats().AcceptErrors, 10))
	}
	r := serve(t, s)
	r.open().Close() // what the first connection opens for good is open now
	defer limitDescriptors(t, places)()
	fmt.Println(r.addr)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// limitDescriptors leaves so many to be opened, until it is undone.
func limitDescriptors(t *testing.T, places int) (undo func()) {
	t.Helper()
	var free []int
	for range places {
		fd, err := syscall.Dup(0)
		if err != nil {
			t.Fatal(err)
		}
		free = append(free, fd)
	}
	for _, fd := range free {
		syscall.Close(fd)
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	set := func(limit syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	set(syscall.Rlimit{Cur: uint64(free[places-1]) + 1, Max: old.Max})
	return func() { set(old) }
}
