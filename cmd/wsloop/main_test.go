package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
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

// patience bounds every wait of a test; nothing is measured by it.
const patience = 60 * time.Second

// binary is the command under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "wsloop")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "wsloop")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// process is a running command.
type process struct {
	*exec.Cmd
	t      *testing.T
	stdout *bufio.Reader
	stderr lockedBuffer
	addr   string // of the server, from its first line
}

// start runs wsloop serve and reads where it listens.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return launch(t, append([]string{"serve"}, args...)...).listening()
}

// listening reads where the process listens.
func (p *process) listening() *process {
	p.t.Helper()
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		p.Wait()
		p.t.Fatalf("no first line: %v: %s", err, &p.stderr)
	}
	address := line[strings.LastIndex(line, " ")+1:]
	p.addr = strings.TrimRight(address[strings.Index(address, "://")+3:], "/\n")
	return p
}

func launch(t *testing.T, args ...string) *process {
	t.Helper()
	return execute(t, binary, args...)
}

// execute runs a program.
func execute(t *testing.T, program string, args ...string) *process {
	t.Helper()
	return executeCommand(t, exec.CommandContext(t.Context(), program, args...))
}

// executeCommand starts a command, whose standard input may be set.
func executeCommand(t *testing.T, command *exec.Cmd) *process {
	t.Helper()
	p := &process{Cmd: command, t: t}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdout = bufio.NewReader(out)
	p.Stderr = &p.stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	killer := time.AfterFunc(patience, func() { p.Process.Kill() })
	t.Cleanup(func() {
		killer.Stop()
		p.Process.Kill()
		p.Wait() // an error only says that it was waited for before
	})
	return p
}

// exit waits for the end and returns the status, and all that was printed since the last read.
func (p *process) exit() (status int, stdout, stderr string) {
	p.t.Helper()
	out, err := io.ReadAll(p.stdout)
	if err != nil {
		p.t.Error(err)
	}
	var exit *exec.ExitError
	if err := p.Wait(); err != nil && !errors.As(err, &exit) {
		p.t.Error(err)
	}
	return p.ProcessState.ExitCode(), string(out), p.stderr.String()
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// line reads one line of what the process prints.
func (p *process) line() string {
	p.t.Helper()
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		p.t.Fatalf("%v: %s", err, &p.stderr)
	}
	return line
}

// peer is a WebSocket client.
type peer struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

// open connects and completes the opening handshake, with further fields.
func (p *process) open(fields ...string) *peer {
	p.t.Helper()
	network := "tcp"
	if strings.HasPrefix(p.addr, "/") {
		network = "unix"
	}
	conn, err := net.Dial(network, p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	c := &peer{conn, p.t, bufio.NewReader(conn)}
	c.write("GET / HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
		strings.Join(append(fields, ""), "\r\n") + "\r\n")
	return c
}

func (c *peer) write(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.t.Fatal(err)
	}
}

// upgraded reads the answer to the opening handshake.
func (c *peer) upgraded() *peer {
	c.t.Helper()
	if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		c.t.Fatalf("answer %q", head)
	}
	return c
}

func (c *peer) head() (head string) {
	c.t.Helper()
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("after %q: %v", head, err)
		}
		head += line
	}
	return head
}

func (c *peer) send(op codec.Opcode, payload string) {
	c.t.Helper()
	c.write(string(codec.AppendMaskedFrame(nil, true, op, []byte(payload), 0x3d21fa37)))
}

// expect reads a frame of fewer than 126 bytes that must begin with these of the wire.
func (c *peer) expect(op codec.Opcode, payload string) {
	c.t.Helper()
	want := codec.AppendFrame(nil, true, op, []byte(payload))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c.in, got); err != nil || !bytes.Equal(got, want) {
		c.t.Fatalf("got % x, %v\nwant % x", got, err, want)
	}
}

// goingAway is the payload of a Close frame with 1001.
const goingAway = "\x03\xe9"

func (c *peer) expectEnd() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.in); len(rest) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatalf("got %q, %v, want the end", rest, err)
	}
}
