package benchmarks

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
)

// programs is the directory of the servers that are written in Go, and tool is the program wsloop, whose name one of them has too.
var programs, tool string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "wsloop-benchmarks")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	programs, tool = dir, filepath.Join(dir, "tool", "wsloop")
	for _, build := range []*exec.Cmd{
		exec.Command("go", "build", "-o", dir, "./servers/..."),
		exec.Command("go", "build", "-C", "..", "-o", tool, "./cmd/wsloop"),
	} {
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return 1
		}
	}
	return m.Run()
}

// A rival is a server of this directory. wsloop is one too, as it does the same.
type rival struct {
	name       string
	raw        bool // echoes bytes, and knows no WebSocket
	losesEmpty bool // never delivers a message without payload
	broadcasts bool
	command    func(t *testing.T, name string) []string
}

var rivals = []rival{
	{name: "coder"},
	{name: "fasthttp"},
	{name: "gnet", raw: true},
	{name: "gobwas"},
	{name: "gobwas-epoll"},
	{name: "gorilla", broadcasts: true},
	{name: "greatws"},
	{name: "gws", broadcasts: true},
	{name: "nbio", losesEmpty: true},
	{name: "nbio-blocking", losesEmpty: true},
	{name: "wsloop"},
	{name: "ws", broadcasts: true, command: node},
	{name: "bun", broadcasts: true, command: bun},
}

func (r rival) start(t *testing.T, args ...string) string {
	if r.command == nil {
		r.command = func(_ *testing.T, name string) []string { return []string{filepath.Join(programs, name)} }
	}
	command := append(r.command(t, r.name), "-addr", "127.0.0.1:0")
	return start(t, append(command, args...)...)
}

func node(t *testing.T, _ string) []string {
	path, err := exec.LookPath("node")
	if err != nil {
		t.Skip("Node.js is not installed")
	}
	if _, err := os.Stat("node/node_modules/ws"); err != nil {
		t.Skip("ws is not installed: run npm ci --ignore-scripts in benchmarks/node")
	}
	return []string{path, "node/ws.mjs"}
}

func bun(t *testing.T, _ string) []string {
	// The package bun holds no program before its install script has run; that of the platform does.
	paths, _ := filepath.Glob("node/node_modules/@oven/bun-linux-*/bin/bun")
	if len(paths) == 0 {
		t.Skip("Bun is not installed: run npm ci --ignore-scripts in benchmarks/node")
	}
	return []string{paths[0], "bun/echo.ts"}
}

// Every directory with a server has to be in the table.
func TestRivals(t *testing.T) {
	dirs, err := os.ReadDir("servers")
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, r := range rivals {
		known[r.name] = true
	}
	for _, dir := range dirs {
		if !known[dir.Name()] {
			t.Errorf("servers/%s is not tested", dir.Name())
		}
	}
}

func TestEcho(t *testing.T) {
	for _, r := range rivals {
		t.Run(r.name, func(t *testing.T) {
			addr := r.start(t)
			if r.raw {
				echoBytes(t, addr)
				return
			}
			c := open(t, addr)
			for _, message := range []struct {
				opcode  byte
				payload []byte
			}{{text, []byte("Grüße")}, {bin, pattern(100_000)}, {text, nil}, {bin, nil}, {bin, pattern(1 << 20)}} {
				if r.losesEmpty && len(message.payload) == 0 {
					continue
				}
				c.send(message.opcode, message.payload)
				c.expect(message.opcode, message.payload)
			}
			c.send(ping, []byte("are you there"))
			c.expect(pong, []byte("are you there"))
			// Several in one segment: none may be left lying, and their order stays.
			for i := range 16 {
				c.send(bin, pattern(100+i))
			}
			for i := range 16 {
				c.expect(bin, pattern(100+i))
			}
			c.leave()
		})
	}
}

func echoBytes(t *testing.T, addr string) {
	c := connect(t, addr)
	sent, got := pattern(100_000), make([]byte, 100_000)
	go func() { _, _ = c.conn.Write(sent) }() // a failure shows as missing bytes
	c.read(got)
	if string(got) != string(sent) {
		t.Fatal("the bytes came back changed")
	}
}

// The load generator's connect mode ends with an error at whatever a server does wrong when connections
// come and go.
func TestChurn(t *testing.T) {
	load := compile(t, "load/*.c")
	for _, r := range rivals {
		t.Run(r.name, func(t *testing.T) {
			_, port, err := net.SplitHostPort(r.start(t))
			if err != nil {
				t.Fatal(err)
			}
			mode := "connect"
			if r.raw {
				mode = "connect-raw"
			}
			// It wants a process to measure; whose does not matter here.
			out, err := exec.Command(load, "-p", port, "-P", strconv.Itoa(os.Getpid()),
				"-m", mode, "-c", "10", "-n", "100", "-w", "0").CombinedOutput()
			if err != nil || !bytes.HasPrefix(out, []byte("mode="+mode+" conns=10 payload=125 cycles=1")) {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
}

// wsloop load, and with it the engine as a client, finds nothing wrong with servers of others.
func TestLoad(t *testing.T) {
	for _, r := range rivals {
		if r.raw {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			addr := r.start(t)
			makeLoad(t, addr, "-scenario", "echo", "-outstanding", "4", "-size", "125")
			makeLoad(t, addr, "-scenario", "echo", "-rate", "500", "-size", "20000", "-text", "-fragments", "3")
			makeLoad(t, addr, "-scenario", "churn")
			if r.broadcasts {
				makeLoad(t, r.start(t, "-broadcast"), "-scenario", "broadcast", "-rate", "50")
			}
		})
	}
}

// makeLoad makes load for a moment, and expects no error.
func makeLoad(t *testing.T, addr string, args ...string) {
	t.Helper()
	args = append([]string{
		"load", "-c", "20", "-duration", "300ms", "-warmup", "0s", "-drain", "1m", "-quiet",
		"-fail", "errors>0", "-fail", "lost>0", "-fail", "received<10",
	}, args...)
	if out, err := exec.Command(tool, append(args, "ws://"+addr+"/")...).CombinedOutput(); err != nil {
		t.Errorf("%q: %v\n%s", args, err, out)
	}
}

func TestBroadcast(t *testing.T) {
	for _, r := range rivals {
		if !r.broadcasts {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			addr := r.start(t, "-broadcast")
			var clients []*client
			for i := range byte(3) {
				c := open(t, addr)
				// What one hears of oneself says that one has been enlisted.
				c.send(bin, []byte{i})
				c.expect(bin, []byte{i})
				for _, other := range clients {
					other.expect(bin, []byte{i})
				}
				clients = append(clients, c)
			}
			clients[1].leave()
			clients[0].send(text, []byte("news"))
			clients[0].expect(text, []byte("news"))
			clients[2].expect(text, []byte("news"))
		})
	}
}

var announcement = regexp.MustCompile(`^(?:echo: )?listening on (127\.0\.0\.1:[1-9][0-9]*)$`)

// start runs a server until the test ends, and returns its address.
func start(t *testing.T, command ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	server := exec.CommandContext(ctx, command[0], command[1:]...)
	server.Stderr = os.Stderr
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	t.Cleanup(func() {
		if err := server.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("the server ended before it was told to: %v", err)
		}
		for lines.Scan() {
			t.Errorf("the server said: %s", lines.Text())
		}
		_ = server.Wait() // by the signal
	})
	if !lines.Scan() {
		t.Fatalf("no address: %v", lines.Err())
	}
	address := announcement.FindStringSubmatch(lines.Text())
	if address == nil {
		t.Fatalf("expected the address, got: %s", lines.Text())
	}
	return address[1]
}
