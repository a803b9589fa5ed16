package benchmarks

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// compile builds a program of scripts/bench, and skips the test without a compiler.
func compile(t *testing.T, pattern string) string {
	t.Helper()
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler")
	}
	program := filepath.Join(t.TempDir(), "program")
	sources, err := filepath.Glob(filepath.Join("../scripts/bench", pattern))
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	if out, err := exec.Command(compiler, append([]string{"-O2", "-o", program}, sources...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// The generator ends with an error unless each connection receives what the first one sent.
func TestLimitOfBroadcasts(t *testing.T) {
	load, echo := compile(t, "load/*.c"), compile(t, "echo.c")
	_, port, err := net.SplitHostPort(start(t, echo, "-b"))
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{"0", "125", "65536"} {
		out, err := exec.Command(load, "-p", port, "-P", strconv.Itoa(os.Getpid()), "-m", "broadcast-raw",
			"-c", "20", "-o", "3", "-b", payload, "-w", "0", "-t", "0.05").CombinedOutput()
		if err != nil || !bytes.HasPrefix(out, []byte("mode=broadcast-raw conns=20 outstanding=3 payload="+payload+" deliveries=")) {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// Of three connections one does not read for a while, and one goes: the sender does not wait, and the other misses nothing.
func TestLimitHoldsWhatWaits(t *testing.T) {
	addr := start(t, compile(t, "echo.c"), "-b")
	var clients []*client
	for i := range byte(3) {
		c := connect(t, addr)
		// What one hears of oneself says that one has been enlisted.
		if _, err := c.conn.Write([]byte{i}); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
		for _, each := range clients {
			each.hear([]byte{i})
		}
	}
	sender, sleeper, leaver := clients[0], clients[1], clients[2]
	news := pattern(16 << 20) // more than sockets take
	go func() {
		_, _ = sender.conn.Write(news) // a failure shows as missing bytes
	}()
	leaver.hear(news[:1000])
	if err := leaver.conn.Close(); err != nil {
		t.Fatal(err)
	}
	const step = 4096
	half := len(news) / 2
	sender.hear(news[:half])
	// What comes while the rest waits must not overtake it.
	for at := 0; at < half; at += step {
		sleeper.hear(news[at:][:step])
		sender.hear(news[half+at:][:step])
	}
	sleeper.hear(news[half:])
}

// hear expects bytes that are no frames.
func (c *client) hear(want []byte) {
	c.t.Helper()
	got := make([]byte, len(want))
	c.read(got)
	if !bytes.Equal(got, want) {
		c.t.Fatal("the bytes came changed")
	}
}
