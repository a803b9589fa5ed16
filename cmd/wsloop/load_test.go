package main

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/load"
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// quick are the flags of a run of a moment. What is due in it is sent, however busy the machine is.
var quick = []string{"-c", "5", "-warmup", "10ms", "-duration", "100ms", "-rate", "1000", "-drain", "1m"}

// loadRun runs wsloop load to its end.
func loadRun(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return launch(t, append([]string{"load"}, args...)...).exit()
}

func TestLoadReports(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	p := start(t, "-addr", "127.0.0.1:0")
	args := append([]string{
		"-json", at("a.json"), "-csv", at("a.csv"), "-hgrm", at("a.hgrm"), "-html", at("a.html"),
		"-header", "Authorization: secret", "-header=Cookie: secret", "-fail", "p99>1h",
	}, quick...)
	status, stdout, stderr := loadRun(t, append(args, "ws://"+p.addr+"/?token=secret")...)
	if status != 0 || !strings.Contains(stdout, "messages/s") || !strings.Contains(stderr, " s  open ") {
		t.Fatalf("status %d\n%s\n%s", status, stdout, stderr)
	}
	for _, name := range []string{"a.json", "a.csv", "a.hgrm", "a.html"} {
		text, err := os.ReadFile(at(name))
		if err != nil || len(text) == 0 || bytes.Contains(text, []byte("secret")) {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
	status, stdout, _ = loadRun(t, "compare", at("a.json"), at("a.json"))
	if status != 0 || !strings.Contains(stdout, "the same") {
		t.Errorf("status %d: %s", status, stdout)
	}
}

func TestLoadJSONOnStdout(t *testing.T) {
	t.Parallel()
	p := start(t, "-addr", "127.0.0.1:0")
	status, stdout, stderr := loadRun(t, append(slices.Clone(quick), "-quiet", "-json", "-", "ws://"+p.addr+"/")...)
	if status != 0 || !json.Valid([]byte(stdout)) || !strings.Contains(stderr, "messages/s") || strings.Contains(stderr, " s  open ") {
		t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
	}
}

func TestLoadStatus(t *testing.T) {
	t.Parallel()
	p := start(t, "-addr", "127.0.0.1:0")
	url := "ws://" + p.addr + "/"
	for want, args := range map[int][]string{
		0: {"-scenario", "idle", url},
		1: {"ws://127.0.0.1:1/"},
		2: {"-scenario", "storm", url},
		3: {"-fail", "sent>0", url},
	} {
		status, stdout, stderr := loadRun(t, append(slices.Clone(quick), args...)...)
		if status != want {
			t.Errorf("%q: status %d, want %d\n%s\n%s", args, status, want, stdout, stderr)
		}
	}
	for _, args := range [][]string{
		{},
		{"-src", "x", url},
		{"-src", "127.0.0.1-x", url},
		{"-src", "127.0.0.2-127.0.0.1", url},
		{"-src", "10.0.0.0-10.255.255.255", url},
		{"-active", "2", url},
		{"-header", "x", url},
		{"-fail", "x", url},
		{"-server-pid", "x", url},
		{"-payload", "/nowhere", url},
		{"compare", "one"},
		{"-nothing"},
	} {
		if status, _, stderr := loadRun(t, args...); status != 2 || stderr == "" {
			t.Errorf("%q: status %d, %s", args, status, stderr)
		}
	}
	if status, _, stderr := loadRun(t, "-h"); status != 0 || !strings.Contains(stderr, "-outstanding") {
		t.Errorf("help: status %d", status)
	}
	if status, _, stderr := loadRun(t, "compare", "/nowhere", "/nowhere"); status != 1 || stderr == "" {
		t.Errorf("compare: status %d", status)
	}
}

// Ctrl-C ends the run, and what was measured by then is reported.
func TestLoadInterrupted(t *testing.T) {
	t.Parallel()
	echoed := make(chan struct{}, 1<<20)
	s := &engine.Server{Events: engine.Events{Message: func(c engine.Conn, op codec.Opcode, payload []byte) {
		c.Send(op, payload)
		select {
		case echoed <- struct{}{}:
		default:
		}
	}}}
	listeners, err := s.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(listeners...)
	defer s.Close()
	p := launch(t, "load", "-c", "5", "-warmup", "0", "-duration", "1h", "-csv", "-", "ws://"+listeners[0].Addr().String()+"/")
	<-echoed
	p.signal(os.Interrupt)
	status, stdout, stderr := p.exit()
	if status != 0 || !strings.Contains(stdout, "second,open") || !strings.Contains(stderr, "connections") {
		t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
	}
}

func TestParseLoad(t *testing.T) {
	t.Parallel()
	payload := filepath.Join(t.TempDir(), "p")
	if err := os.WriteFile(payload, []byte("hello world"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := parseLoad([]string{
		"-c", "7", "-src", "127.0.0.1, 127.0.0.8-127.0.0.10", "-subprotocol", "a", "-subprotocol", "b", "-origin", "https://o",
		"-header", "X: 1 ", "-scenario", "slow", "-slow", "20%", "-payload", payload, "-rate", "5", "-keepalive", "1m",
		"-server-pid", "1,2", "-fail", "p99>5ms", "-fail", "errors>0", "-drain", "0s", "ws://a/", "ws://b/",
	}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	var sources []netip.Addr
	for _, s := range []string{"127.0.0.1", "127.0.0.8", "127.0.0.9", "127.0.0.10"} {
		sources = append(sources, netip.MustParseAddr(s))
	}
	want := load.Config{
		URLs: []string{"ws://a/", "ws://b/"}, Sources: sources, Subprotocols: []string{"a", "b"}, Origin: "https://o",
		Header: []load.Field{{Name: "X", Value: "1"}}, Scenario: load.Slow, Connections: 7, Loops: 1, Pending: load.DefaultPending,
		Timeout: load.DefaultTimeout, Keepalive: time.Minute, Rate: 5, Slow: 0.2, Size: 11, Payload: []byte("hello world"),
		Warmup: load.DefaultWarmup, Duration: load.DefaultDuration, ServerPIDs: []int{1, 2},
	}
	if !reflect.DeepEqual(c.run, want) || len(c.thresholds) != 2 {
		t.Errorf("%+v\nwant %+v", c.run, want)
	}
}

func TestRedactedArgs(t *testing.T) {
	t.Parallel()
	got := redactedArgs([]string{"-c", "5", "-header", "A: s", "--header=B: s", "-header", "s", "ws://h/?s", "header", "x"})
	want := []string{"-c", "5", "-header", "A: ***", "--header=B: ***", "-header", "***", "ws://h/?***", "header", "x"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}
