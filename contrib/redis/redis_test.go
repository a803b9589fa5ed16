package redis

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	client "github.com/redis/rueidis"

	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
)

// server is a redis-server of its own, on a socket of the file system.
type server struct {
	path    string
	process *exec.Cmd
	output  bytes.Buffer
	admin   client.Client
}

// start runs redis-server until the end of the test, which is skipped if there is none.
func start(t *testing.T, arguments ...string) *server {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed; `make contrib` installs it")
	}
	dir, err := os.MkdirTemp("", "wsloop-redis") // that of the test may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	s := &server{path: filepath.Join(dir, "redis.sock")}
	s.process = exec.Command(program, append([]string{
		"--port", "0", "--unixsocket", s.path, "--dir", dir, "--save", "", "--appendonly", "no",
	}, arguments...)...)
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.kill()
		os.RemoveAll(dir)
	})
	deadline := time.Now().Add(bridgetest.Patience)
	for {
		o := client.MustParseURL("unix://" + s.path)
		o.ForceSingleClient, o.DisableCache, o.PipelineMultiplex = true, true, -1
		if s.admin, err = client.NewClient(o); err == nil {
			return s
		}
		s.admin.Close()
		if time.Now().After(deadline) {
			s.kill()
			t.Fatalf("%v: %s", err, &s.output)
		}
		time.Sleep(time.Millisecond)
	}
}

// kill ends it at once.
func (s *server) kill() {
	if s.process.ProcessState == nil {
		s.process.Process.Kill()
		s.process.Wait()
	}
	if s.admin != nil {
		s.admin.Close()
	}
}

func (s *server) url() string { return "unix://" + s.path }

// do sends a command.
func (s *server) do(t *testing.T, command string, arguments ...string) client.RedisResult {
	t.Helper()
	result := s.admin.Do(t.Context(), s.admin.B().Arbitrary(command).Args(arguments...).Build())
	if err := result.Error(); err != nil {
		t.Fatalf("%s %.100q: %v", command, arguments, err)
	}
	return result
}

// publish injects a message, and says how many copies of it were sent.
func (s *server) publish(t *testing.T, channel, data string) int64 {
	t.Helper()
	n, err := s.do(t, "PUBLISH", channel, data).AsInt64()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// subscriptions are how many a server has of a bridge, by its name.
func (s *server) subscriptions(t *testing.T, name string) (n int) {
	t.Helper()
	list, err := s.do(t, "CLIENT", "LIST").ToString()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(list) {
		if strings.Contains(line, " name="+name+" ") {
			for field := range strings.FieldsSeq(line) {
				var more int
				if _, err := fmt.Sscanf(field, "sub=%d", &more); err == nil {
					n += more
				} else if _, err := fmt.Sscanf(field, "psub=%d", &more); err == nil {
					n += more
				}
			}
		}
	}
	return n
}

func (s *server) await(t *testing.T, name string, subscriptions int) {
	t.Helper()
	bridgetest.Eventually(t, "subscriptions of "+name, func() bool { return s.subscriptions(t, name) == subscriptions })
}

// beat is the heartbeat of bridges in tests in which Redis goes silent.
const beat = 100 * time.Millisecond

// opened makes a bridge and opens it, and closes it at the end of the test.
func opened(t *testing.T, name string, o Options, patterns ...string) (*Bridge, *bridgetest.Recorder) {
	t.Helper()
	o.Name, o.Logger = name, slog.New(slog.DiscardHandler)
	if o.MaxBackoff == 0 {
		o.MaxBackoff = 200 * time.Millisecond
	}
	if o.CloseTimeout == 0 {
		o.CloseTimeout = 100 * time.Millisecond
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r := new(bridgetest.Recorder)
	if err := b.Open(r); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	for _, pattern := range patterns {
		b.Interest(pattern, true)
	}
	return b, r
}

// sums is how many messages that were published here are counted.
func sums(b *Bridge) uint64 {
	s := b.Stats()
	return s.Carried + s.Unconfirmed + s.Missed + s.Dropped + s.TooLong + s.Unsendable
}

// freePort is one that nobody uses now.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}
