package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// activate runs wsloop as systemd does, with sockets and variables. A process alone knows its id, so a shell says it and
// becomes wsloop.
func activate(t *testing.T, sockets []*os.File, variables []string, args ...string) *process {
	t.Helper()
	script := `exec "$0" "$@"`
	if len(sockets) > 0 {
		script = `LISTEN_PID=$$ ` + script
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", script, binary}, args...)...)
	cmd.Env = append(os.Environ(), variables...)
	cmd.ExtraFiles = sockets
	return executeCommand(t, cmd)
}

// socketOf is the descriptor of a listener, which stays open in the test as it does in systemd.
func socketOf(t *testing.T, network, address string) (*os.File, net.Addr) {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ln.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close()
		ln.Close()
	})
	return f, ln.Addr()
}

// Sockets that systemd has opened are served instead of -addr, and stay when the service ends.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	for _, flags := range [][]string{nil, {"-driver", "gnet"}} {
		tcp, tcpAddr := socketOf(t, "tcp", "127.0.0.1:0")
		sockets, names := []*os.File{tcp}, "web"
		if flags == nil {
			unix, _ := socketOf(t, "unix", path)
			sockets, names = append(sockets, unix), "web:local"
		}
		count := map[int]string{1: "1", 2: "2"}[len(sockets)]
		p := activate(t, sockets, []string{"LISTEN_FDS=" + count, "LISTEN_FDNAMES=" + names},
			append([]string{"serve", "-addr", "nonsense"}, flags...)...).listening()
		if p.addr != tcpAddr.String() {
			t.Errorf("on %s, want %s", p.addr, tcpAddr)
		}
		addrs := []string{p.addr}
		if flags == nil {
			p.line() // for browsers
			if line := p.line(); !strings.HasSuffix(line, "ws+unix://"+path+"\n") {
				t.Errorf("printed %q", line)
			}
			addrs = append(addrs, path)
		}
		for _, p.addr = range addrs {
			c := p.open().upgraded()
			c.send(codec.OpcodeText, "hello")
			c.expect(codec.OpcodeText, "hello")
			c.Close()
		}
		p.signal(syscall.SIGTERM)
		if status, _, stderr := p.exit(); status != 0 {
			t.Errorf("exit %d: %s", status, stderr)
		}
		for _, addr := range addrs {
			network := map[bool]string{true: "unix", false: "tcp"}[strings.HasPrefix(addr, "/")]
			conn, err := net.Dial(network, addr)
			if err != nil {
				t.Errorf("the socket is gone: %v", err)
				continue
			}
			conn.Close()
		}
	}
}

// What cannot be served ends the service, with a word about why.
func TestSocketActivationRefused(t *testing.T) {
	t.Parallel()
	socket, _ := socketOf(t, "tcp", "127.0.0.1:0")
	for _, test := range []struct {
		variables, args []string
		why             string
	}{
		{[]string{"LISTEN_FDS=1"}, []string{"serve", "-procs", "2"}, "leave out -procs"},
		{[]string{"LISTEN_FDS=many"}, []string{"serve"}, "LISTEN_FDS"},
		{[]string{"NOTIFY_SOCKET=nonsense"}, []string{"serve"}, "NOTIFY_SOCKET"},
		{[]string{"LISTEN_FDS=1"}, []string{"serve", "-loops", "-1"}, "Server.Loops"},
	} {
		status, _, stderr := activate(t, []*os.File{socket}, test.variables, test.args...).exit()
		if status != 1 || !strings.Contains(stderr, test.why) {
			t.Errorf("%q %q: exit %d: %s", test.variables, test.args, status, stderr)
		}
	}
}

// systemdSocket is where systemd would listen.
type systemdSocket struct {
	*net.UnixConn
	t    *testing.T
	path string
	told chan string
}

func newSystemdSocket(t *testing.T) *systemdSocket {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	s := &systemdSocket{conn, t, path, make(chan string, 1<<16)}
	go func() { // so that the queue, which is short, never holds the service up
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				close(s.told)
				return
			}
			s.told <- string(b[:n])
		}
	}()
	t.Cleanup(func() { conn.Close() })
	return s
}

func (s *systemdSocket) any() string {
	s.t.Helper()
	select {
	case m := <-s.told:
		return m
	case <-time.After(patience):
		s.t.Fatal("systemd was told nothing")
		return ""
	}
}

// next is the next message, those for the watchdog left out.
func (s *systemdSocket) next() string {
	s.t.Helper()
	for {
		if m := s.any(); m != "WATCHDOG=1" {
			return m
		}
	}
}

func (s *systemdSocket) expect(want string) {
	s.t.Helper()
	if got := s.next(); got != want {
		s.t.Errorf("systemd was told %q, want %q", got, want)
	}
}

// silent checks that nothing was told that nobody has read, by processes that have ended.
func (s *systemdSocket) silent() {
	s.t.Helper()
	conn, err := net.Dial("unixgram", s.path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("that was all")); err != nil {
		s.t.Fatal(err)
	}
	s.expect("that was all")
}

// systemd is told when the service listens and when it stops, by one process for all, and that it lives meanwhile.
func TestServiceNotifies(t *testing.T) {
	t.Parallel()
	for _, flags := range []string{"", "-procs 2"} {
		s := newSystemdSocket(t)
		p := activate(t, nil, []string{"NOTIFY_SOCKET=" + s.path, "WATCHDOG_USEC=50000"},
			append([]string{"serve", "-addr", "127.0.0.1:0", "-drain", "1h", "-close-timeout", "1h"}, strings.Fields(flags)...)...)
		s.expect("READY=1")
		p.listening()
		c := p.open().upgraded()
		for range 3 {
			if m := s.any(); m != "WATCHDOG=1" {
				t.Errorf("%s: systemd was told %q", flags, m)
			}
		}
		p.signal(syscall.SIGTERM)
		s.expect("STOPPING=1")
		c.expect(codec.OpcodeClose, goingAway)
		for s.any() != "WATCHDOG=1" { // the drain takes its time, and is not to be cut short
		}
		c.send(codec.OpcodeClose, goingAway)
		if status, _, stderr := p.exit(); status != 0 {
			t.Errorf("%s: exit %d: %s", flags, status, stderr)
		}
		s.silent()
	}
}

// A manager that has gone does not stop the service.
func TestServiceWithoutListener(t *testing.T) {
	t.Parallel()
	s := newSystemdSocket(t)
	s.Close()
	p := activate(t, nil, []string{"NOTIFY_SOCKET=" + s.path}, "serve", "-addr", "127.0.0.1:0").listening()
	p.open().upgraded().Close()
	p.signal(syscall.SIGTERM)
	if status, _, stderr := p.exit(); status != 0 || !strings.Contains(stderr, "systemd was not told") {
		t.Errorf("exit %d: %s", status, stderr)
	}
}

// pair writes a new certificate of a name over the old one.
func pair(t *testing.T, certFile, keyFile, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: certificate}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// systemctl reload reads the certificate again, and returns when that is done.
func TestServiceReloads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	pair(t, certFile, keyFile, "first.example")
	s := newSystemdSocket(t)
	p := activate(t, nil, []string{"NOTIFY_SOCKET=" + s.path}, "serve", "-addr", "127.0.0.1:0", "-tls-cert", certFile, "-tls-key", keyFile).listening()
	s.expect("READY=1")
	served := func(name string) {
		t.Helper()
		conn, err := tls.Dial("tcp", p.addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.ConnectionState().PeerCertificates[0].DNSNames[0]; got != name {
			t.Errorf("the certificate is of %s, want %s", got, name)
		}
	}
	served("first.example")
	pair(t, certFile, keyFile, "second.example")
	p.signal(syscall.SIGHUP)
	if m := s.next(); !strings.HasPrefix(m, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("systemd was told %q", m)
	}
	s.expect("READY=1")
	served("second.example")
	p.signal(syscall.SIGTERM)
	s.expect("STOPPING=1")
}
