package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// patience is how long tests wait for what has to happen.
const patience = 2 * time.Minute

// roleVariable has the test binary be another process: a node, a NATS server, or many subscribers.
const roleVariable = "WSLOOP_CLUSTER_TEST_ROLE"

func TestMain(m *testing.M) {
	flag.Parse()
	args := flag.Args()
	switch os.Getenv(roleVariable) {
	case "":
		os.Exit(m.Run())
	case "node":
		signals := make(chan os.Signal, 2)
		signal.Notify(signals, syscall.SIGTERM)
		if err := run(args, signals, os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "nats":
		s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true})
		if err != nil {
			panic(err)
		}
		go s.Start()
		s.ReadyForConnections(time.Minute)
		fmt.Println("nats on", s.ClientURL())
		s.WaitForShutdown()
	case "subscribers":
		if err := subscribers(args, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// process is one of those.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string // of its output
	ended chan struct{}
	err   error // of its end
	log   bytes.Buffer
	mu    sync.Mutex
}

func start(t *testing.T, role string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], args...), lines: make(chan string, 1000), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), roleVariable+"="+role)
	p.cmd.Stderr = p
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.lines <- s.Text()
		}
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			p.mu.Lock()
			defer p.mu.Unlock()
			t.Logf("%s: %.2000s", role, p.log.String())
		}
	})
	return p
}

// Write takes what the process says besides its lines.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

// kill ends it as a crash would.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// line waits for one that matches, and gives what stands in its parentheses.
func (p *process) line(pattern string) string {
	p.t.Helper()
	expression := regexp.MustCompile(pattern)
	timeout := time.After(patience)
	for {
		select {
		case line := <-p.lines:
			if m := expression.FindStringSubmatch(line); m != nil {
				return m[1]
			}
		case <-p.ended:
			p.t.Fatalf("ended without a line %q: %v", pattern, p.err)
		case <-timeout:
			p.t.Fatalf("no line %q", pattern)
		}
	}
}

// nodeProcess is wsloop-cluster in a process of its own.
type nodeProcess struct {
	*process
	ws, admin string
}

func startNode(t *testing.T, name, nats string, more ...string) *nodeProcess {
	t.Helper()
	args := append([]string{"serve", "-addr", "127.0.0.1:0", "-admin", "127.0.0.1:0", "-name", name, "-nats", nats}, more...)
	n := &nodeProcess{process: start(t, "node", append([]string{"--"}, args...)...)}
	n.admin = n.line(`/ready and /stats on (http://\S+)/`)
	n.ws = n.line(`topics on (ws://\S+)`)
	return n
}

// stats asks a node for its own.
func (n *nodeProcess) stats() stats {
	n.t.Helper()
	var s stats
	response, err := http.Get(n.admin + "/stats")
	if err != nil {
		n.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&s); err != nil {
		n.t.Fatal(err)
	}
	return s
}

// ready asks a node whether it is.
func (n *nodeProcess) ready() bool {
	response, err := http.Get(n.admin + "/ready")
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, args := range []string{
		"",
		"load",
		"serve -bad",
		"serve more",
		"serve -max-message 0",
		"serve -cluster-routes nats://127.0.0.1:1",
		"serve -cluster-port -1 -cluster-routes nats",
		"serve -nats nats://127.0.0.1:1 -cluster-port -1 -cluster-routes nats://127.0.0.1:1",
	} {
		var stderr bytes.Buffer
		if err := run(strings.Fields(args), nil, io.Discard, &stderr); err != errUsage || stderr.Len() == 0 {
			t.Errorf("%q: %v, %q", args, err, stderr.String())
		}
	}
	if err := run([]string{"serve", "-h"}, nil, io.Discard, io.Discard); err != flag.ErrHelp {
		t.Error(err)
	}
	for _, args := range []string{
		"serve -nats nats://",
		"serve -nats nats://127.0.0.1:1 -admin 127.0.0.1:bad",
		"serve -nats nats://127.0.0.1:1 -addr 127.0.0.1:bad",
	} {
		if err := run(strings.Fields(args), nil, io.Discard, io.Discard); err == nil || err == errUsage {
			t.Errorf("%q: %v", args, err)
		}
	}
}
