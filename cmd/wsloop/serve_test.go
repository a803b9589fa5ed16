package main

import (
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// Wrong arguments exit with 2 and say what is wrong; help exits with 0; W94: what the engine cannot
// use exits with 1 and names it.
func TestArgumentsW94(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args           string
		status         int
		stdout, stderr string // what is printed contains this
	}{
		{"", 2, "", "usage: wsloop"},
		{"help", 0, "usage: wsloop", ""},
		{"--help", 0, "usage: wsloop", ""},
		{"nonsense", 2, "", `unknown command "nonsense"`},
		{"serve -h", 0, "", "-max-message bytes"},
		{"serve -nonsense", 2, "", "-nonsense"},
		{"serve extra", 2, "", `unexpected argument "extra"`},
		{"serve -mode nonsense", 2, "", `-mode "nonsense" is none of echo, broadcast, topics, discard`},
		{"serve -driver nonsense", 2, "", `-driver "nonsense" is none of native, gnet`},
		{"serve -driver gnet -loops 1000 -addr localhost:0", 1, "", "1000 loops, where gnet has at most 256"},
		{"serve -driver gnet -addr localhost:0 -loops -1", 1, "", "Server.Loops: is negative"},
		{"serve -drain soon", 2, "", "-drain"},
		{"serve -loops many", 2, "", "-loops"},
		{"serve -message-rate 1/x", 2, "", "is neither like 100 nor like 100/200"},
		{"serve -byte-rate fast", 2, "", "-byte-rate"},
		{"serve -idle-timeout ever", 2, "", "-idle-timeout"},
		{"serve -overflow drop-all", 2, "", "there is no such policy"},
		{"serve -on-rate drop-oldest", 2, "", "-on-rate"},
		{"serve -drain-code x", 2, "", "-drain-code"},
		{"serve -procs some", 2, "", "-procs"},
		{"serve -procs -1", 2, "", "-procs is negative"},
		{"serve -procs 2 -unix s", 2, "", "a Unix socket cannot be shared"},
		{"serve -procs 2 -mode broadcast", 2, "", "-mode broadcast reaches the connections of one process only"},
		{"serve -procs 2 -mode topics", 2, "", "-mode topics reaches the connections of one process only"},
		{"serve -mode topics -addr localhost:0 -retain a..b", 1, "", "Server.Topics: "},
		{"serve -mode topics -addr localhost:0 -max-subscriptions -1", 1, "", "Server.MaxSubscriptions: is negative"},
		{"serve -procs 2 -addr localhost:0 -loops -1", 1, "", "Server.Loops: is negative"},
		{"serve -procs 2 -addr nonsense", 1, "", "nonsense"},
		{"serve -stats -1s", 2, "", "-stats is negative"},
		{"serve -addr localhost:0 -drain-code 1000", 1, "", "Server.Drain.Code: "},
		{"serve -addr localhost:0 -idle-timeout -1s", 1, "", "Server.IdleTimeout: is negative"},
		{"serve -addr localhost:0 -max-memory 5", 1, "", "Server.MaxMemoryBytes: "},
		{"serve -addr localhost:0 -loops -1", 1, "", "Server.Loops: is negative"},
		{"serve -addr localhost:0 -origin https://*.*", 1, "", "Server.Origins: "},
		{"serve -addr localhost:0 -subprotocol a,b", 1, "", "Server.Subprotocols: "},
		{"serve -addr nonsense", 1, "", "nonsense"},
		{"serve -forwarded-from 10.0.0.1/8", 2, "", "write 10.0.0.0/8"},
		{"serve -forwarded-field X-Real-IP", 2, "", "-forwarded-field without -forwarded-from"},
		{"serve -addr localhost:0 -forwarded-from * -forwarded-field a:b", 1, "", "Server.Forwarding: "},
	} {
		status, stdout, stderr := launch(t, strings.Fields(test.args)...).exit()
		if status != test.status || !strings.Contains(stdout, test.stdout) || !strings.Contains(stderr, test.stderr) {
			t.Errorf("wsloop %s: exit %d, want %d\n%s%s", test.args, status, test.status, stdout, stderr)
		}
	}
}

// W92: the port is in use. One line says so, and the exit is 1.
func TestPortInUseW92(t *testing.T) {
	t.Parallel()
	first := start(t, "-addr", "127.0.0.1:0")
	status, stdout, stderr := launch(t, "serve", "-addr", first.addr).exit()
	if status != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, first.addr) || !strings.Contains(stderr, "in use") {
		t.Errorf("exit %d\n%s%s", status, stdout, stderr)
	}
}

// Every flag lands where it belongs.
func TestFlags(t *testing.T) {
	c, err := parseServe(strings.Fields("-addr a:1 -mode discard -origin https://a -origin https://b -subprotocol x -subprotocol y "+
		"-loops 3 -reuseport -max-message 4 -max-fragments 5 -max-head 6 -max-header-line 7 -max-headers 8 -max-buffered 9 "+
		"-handshake-timeout 10s -close-timeout 11s -drain 12s -unix p -stats 13s -driver gnet"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s := &c.server
	got := []any{
		s.Addr, c.mode, s.Origins, s.Subprotocols, s.Loops, s.ReusePort, s.MaxMessageBytes, s.MaxFragments, s.MaxHeadBytes,
		s.MaxHeaderLine, s.MaxHeaders, s.MaxBufferedBytes, s.HandshakeTimeout, s.CloseTimeout, c.drain, c.unix,
		c.stats, c.driver,
	}
	want := []any{
		"a:1", "discard",
		[]string{"https://a", "https://b"},
		[]string{"x", "y"},
		3, true, int64(4), 5, 6,
		7, 8, 9, 10 * time.Second, 11 * time.Second, 12 * time.Second, "p",
		13 * time.Second, "gnet",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	testLimitFlags(t)
	if _, err := parseServe([]string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
	if c, err = parseServe(nil, io.Discard); err != nil || c.server.MaxMessageBytes != engine.DefaultMaxMessageBytes || c.mode != "echo" || c.driver != "native" {
		t.Errorf("no flags: %+v, %v", c, err)
	}
	for args, loops := range map[string]int{"": 0, "-procs 2": 1, "-procs 2 -loops 3": 3} {
		if c, err = parseServe(strings.Fields(args), io.Discard); err != nil || c.server.Loops != loops {
			t.Errorf("%s: %d loops, want %d; %v", args, c.server.Loops, loops, err)
		}
	}
	for _, name := range modeNames {
		if modes[name] == nil {
			t.Errorf("mode %s is named and does not exist", name)
		}
	}
	if len(modes) != len(modeNames) {
		t.Errorf("%d modes, %d names", len(modes), len(modeNames))
	}
}

// testLimitFlags is TestFlags for the limits of long lives.
func testLimitFlags(t *testing.T) {
	t.Helper()
	c, err := parseServe(strings.Fields("-workers 2 -drain-rate 3 -drain-code 1012 -max-memory 2000000 -max-connections 4 -max-in-flight 5 "+
		"-max-in-flight-bytes 6 -per-address 7 -per-address-rate 8/9 -per-prefix 10 -per-prefix-rate 11 -message-rate 12/13 -byte-rate 14 "+
		"-control-rate 15/16 -idle-timeout 17s -ping-interval never -pong-timeout 18s -write-timeout 19s -max-lifetime 20h "+
		"-slow-callback never -overflow keep-latest -message-ttl 21s -on-rate pause"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s := &c.server
	got := []any{
		s.Workers, s.Drain.Rate, s.Drain.Code, s.MaxMemoryBytes, s.MaxConnections, s.MaxInFlight, s.MaxInFlightBytes, s.PerAddress, s.PerPrefix,
		s.MessageRate, s.ByteRate, s.ControlRate, s.IdleTimeout, s.PingInterval, s.PongTimeout, s.WriteTimeout, s.MaxLifetime,
		s.SlowCallback, s.Overflow, s.OnRate,
	}
	want := []any{
		2, 3, codec.StatusServiceRestart, int64(2000000), 4, 5, 6,
		engine.SourceLimits{Connections: 7, Handshakes: engine.Rate{PerSecond: 8, Burst: 9}},
		engine.SourceLimits{Connections: 10, Handshakes: engine.Rate{PerSecond: 11}},
		engine.Rate{PerSecond: 12, Burst: 13},
		engine.Rate{PerSecond: 14},
		engine.Rate{PerSecond: 15, Burst: 16},
		17 * time.Second, engine.Never, 18 * time.Second, 19 * time.Second, 20 * time.Hour,
		engine.Never,
		engine.Overflow{Policy: engine.OverflowKeepLatest, TTL: 21 * time.Second},
		engine.RatePause,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	c, err = parseServe(nil, io.Discard)
	if err != nil || c.server.IdleTimeout != engine.Never || c.server.PingInterval != engine.DefaultPingInterval || c.server.MaxConnections != engine.DefaultMaxConnections() {
		t.Errorf("no flags: %+v, %v", c, err)
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	t.Run("echo", func(t *testing.T) {
		c := start(t, "-addr", "127.0.0.1:0").open().upgraded()
		c.send(codec.OpcodeText, "hello")
		c.expect(codec.OpcodeText, "hello")
		c.send(codec.OpcodeBinary, "\x00")
		c.expect(codec.OpcodeBinary, "\x00")
	})
	t.Run("broadcast", func(t *testing.T) {
		p := start(t, "-addr", "127.0.0.1:0", "-mode", "broadcast", "-loops", "2")
		a, b, gone := p.open().upgraded(), p.open().upgraded(), p.open().upgraded()
		gone.send(codec.OpcodeClose, goingAway)
		gone.expect(codec.OpcodeClose, goingAway)
		gone.expectEnd()
		a.send(codec.OpcodeText, "to all")
		for _, c := range []*peer{a, b} {
			c.expect(codec.OpcodeText, "to all")
		}
	})
	t.Run("discard", func(t *testing.T) {
		c := start(t, "-addr", "127.0.0.1:0", "-mode", "discard").open().upgraded()
		c.send(codec.OpcodeText, "dropped")
		c.send(codec.OpcodePing, "alive")
		c.expect(codec.OpcodePong, "alive")
	})
	t.Run("unix", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		p := start(t, "-unix", path)
		c := p.open().upgraded()
		c.send(codec.OpcodeText, "hello")
		c.expect(codec.OpcodeText, "hello")
		c.Close()
		p.signal(syscall.SIGTERM)
		if status, _, stderr := p.exit(); status != 0 {
			t.Errorf("exit %d: %s", status, stderr)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket file is left: %v", err)
		}
	})
}

// The page of every mode, and what else a browser may ask for.
func TestPage(t *testing.T) {
	t.Parallel()
	p := start(t, "-addr", "127.0.0.1:0")
	for _, test := range []struct {
		method, path string
		status       int
		field, value string
	}{
		{"GET", "/", 200, "Content-Type", "text/html; charset=utf-8"},
		{"HEAD", "/", 200, "Content-Type", "text/html; charset=utf-8"},
		{"GET", "/favicon.ico", 404, "Content-Type", "text/plain; charset=utf-8"},
		{"DELETE", "/", 405, "Allow", "GET, HEAD"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), test.method, "http://"+p.addr+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != test.status || response.Header.Get(test.field) != test.value {
			t.Errorf("%s %s: %v, %v", test.method, test.path, response, err)
		}
		if page := string(body) == string(pageHTML); page != (test.method == "GET" && test.status == 200) {
			t.Errorf("%s %s: body %.60q", test.method, test.path, body)
		}
	}
}

// The flags for origins and subprotocols reach the opening handshake.
func TestOriginAndSubprotocolFlags(t *testing.T) {
	t.Parallel()
	p := start(t, "-addr", "127.0.0.1:0", "-origin", "https://good.example", "-subprotocol", "chat")
	if head := p.open("Origin: https://evil.example").head(); !strings.HasPrefix(head, "HTTP/1.1 403 ") {
		t.Errorf("answer %q", head)
	}
	head := p.open("Origin: https://good.example", "Sec-WebSocket-Protocol: chat").head()
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") || !strings.Contains(head, "Sec-WebSocket-Protocol: chat\r\n") {
		t.Errorf("answer %q", head)
	}
}
