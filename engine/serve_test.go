package engine

import (
	"errors"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// The zero Server works: it accepts, answers pings, drops messages, closes properly.
func TestZeroServer(t *testing.T) {
	t.Parallel()
	s := &Server{}
	listeners, err := s.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(listeners...) }()
	r := &running{Server: s, t: t, network: "tcp", addr: listeners[0].Addr().String()}
	c := r.open()
	c.send(codec.OpcodeText, "dropped")
	c.send(codec.OpcodePong, "dropped")
	c.send(codec.OpcodePing, "p")
	c.expect(codec.OpcodePong, "p")
	c.write(closeFrame(codec.StatusNormalClosure, ""))
	c.expectClose(codec.StatusNormalClosure)
	c.expectEOF()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := await(t, served, "Serve"); !errors.Is(err, ErrServerClosed) {
		t.Error(err)
	}
}

// ListenAndServe says at once when it cannot listen; a Server may try again.
func TestListenAndServe(t *testing.T) {
	t.Parallel()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: other.Addr().String()}
	if err := s.ListenAndServe(); err == nil || !strings.Contains(err.Error(), s.Addr) {
		t.Errorf("port in use: %v", err)
	}
	other.Close()
	served := make(chan error, 1)
	go func() { served <- s.ListenAndServe() }()
	s.Close()
	if err := await(t, served, "ListenAndServe"); !errors.Is(err, ErrServerClosed) {
		t.Error(err)
	}
}

func TestServeTwice(t *testing.T) {
	t.Parallel()
	s := serve(t, &Server{Events: Events{Message: echo}})
	c := s.open()
	again, err := s.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(again...); err == nil || errors.Is(err, ErrServerClosed) {
		t.Errorf("second Serve returned %v", err)
	}
	expectRefusal(t, again[0].Addr())
	c.send(codec.OpcodeText, "still here")
	c.expect(codec.OpcodeText, "still here")
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	opened := make(chan Conn, 1)
	s := serveOn(t, &Server{ReusePort: true, Events: Events{Message: echo, Open: func(c Conn) { opened <- c }}}, "unix", path)
	c := s.open()
	c.send(codec.OpcodeText, "hello")
	c.expect(codec.OpcodeText, "hello")
	if addr := await(t, opened, "Open").RemoteAddr(); addr.IsValid() {
		t.Errorf("RemoteAddr is %v", addr)
	}
	s.stop()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket file is left: %v", err)
	}
}

// One listener a loop; connections work whichever takes them.
func TestReusePort(t *testing.T) {
	t.Parallel()
	s := serve(t, &Server{Loops: 3, ReusePort: true, Events: Events{Message: echo}})
	for range 20 {
		c := s.open()
		c.send(codec.OpcodeText, "hello")
		c.expect(codec.OpcodeText, "hello")
	}
}

// By default one loop accepts and the connections are spread evenly.
func TestConnectionsAreSpreadOverLoops(t *testing.T) {
	t.Parallel()
	const loops, each = 3, 4
	opened := make(chan Conn, loops*each)
	s := serve(t, &Server{Loops: loops, Events: Events{Open: func(c Conn) { opened <- c }}})
	perLoop := make(map[*loop]int)
	for range loops * each {
		s.open()
		perLoop[await(t, opened, "Open").loop]++
	}
	for l, n := range perLoop {
		if n != each {
			t.Errorf("loop %d has %d connections, want %d", l.driver.Index(), n, each)
		}
	}
}

// With ReusePort but fewer listeners than loops, no loop is left without connections.
func TestFewListenersServeEveryLoop(t *testing.T) {
	t.Parallel()
	const loops, each = 4, 3
	opened := make(chan Conn, loops*each)
	var listeners []net.Listener
	for range 2 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, ln)
	}
	s := serveListeners(t, &Server{Loops: loops, ReusePort: true, Events: Events{Open: func(c Conn) { opened <- c }}}, listeners...)
	perLoop := make(map[int]int)
	for range loops * each {
		s.open()
		perLoop[await(t, opened, "Open").loop.driver.Index()]++
	}
	for i := range loops {
		if n := perLoop[i]; n != each {
			t.Errorf("loop %d has %d connections, want %d", i, n, each)
		}
	}
}

// W94, W45: what cannot be used keeps the server from starting, and the error names the field.
func TestConfigErrorsW94(t *testing.T) {
	t.Parallel()
	for field, s := range map[string]*Server{
		"Loops":            {Loops: -1},
		"MaxMessageBytes":  {MaxMessageBytes: -1},
		"MaxFragments":     {MaxFragments: -1},
		"MaxHeadBytes":     {MaxHeadBytes: -1},
		"MaxHeaderLine":    {MaxHeaderLine: -1},
		"MaxHeaders":       {MaxHeaders: -1},
		"MaxBufferedBytes": {MaxBufferedBytes: -1},
		"HandshakeTimeout": {HandshakeTimeout: -time.Second},
		"CloseTimeout":     {CloseTimeout: math.MinInt64},
		"MaxMemoryBytes":   {MaxMemoryBytes: 1 << 10},
		"OnRate":           {OnRate: 9},
		"SlowCallback":     {SlowCallback: time.Millisecond},
		"Drain.Code":       {Drain: Drain{Code: codec.StatusProtocolError}},
		"Subprotocols":     {Subprotocols: []string{"has space"}},
		"Origins":          {Origins: []string{"https://a b"}},
		"Forwarding":       {Forwarding: handshake.Forwarding{Field: "not a name", Trusted: trusting(t, "*")}},
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var config *ConfigError
		if _, err = s.Listen("tcp", "127.0.0.1:0"); !errors.As(err, &config) || config.Field != field {
			t.Errorf("Listen with %s: %v", field, err)
		}
		err = s.Serve(listener)
		if !errors.As(err, &config) || config.Field != field || !strings.Contains(err.Error(), "Server."+field+": ") {
			t.Errorf("%s: %v", field, err)
		}
		expectRefusal(t, listener.Addr())
	}
	var config *ConfigError
	if err := (&Server{Forwarding: handshake.Forwarding{Field: "Forwarded"}}).Serve(); !errors.As(err, &config) || config.Field != "Forwarding" {
		t.Errorf("a field without proxies: %v", err)
	}
	if math.MaxInt > math.MaxInt32 {
		for field, s := range map[string]*Server{
			"MaxFragments": {MaxFragments: math.MaxInt}, "MaxBufferedBytes": {MaxBufferedBytes: math.MaxInt},
		} {
			var config *ConfigError
			if err := s.Serve(); !errors.As(err, &config) || config.Field != field {
				t.Errorf("%s: %v", field, err)
			}
		}
	}
}
