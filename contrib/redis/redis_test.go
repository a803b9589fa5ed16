package redis

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	client "github.com/redis/rueidis"

	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest/suite"
)

// server is a redis-server of its own, on a socket of the file system.
type server struct {
	path    string
	ports   []string // for each freePort among the arguments
	process *exec.Cmd
	ended   chan struct{}
	output  bytes.Buffer // to be read when it has ended
	admin   client.Client
}

var _ suite.Broker = (*server)(nil)

// freePort, as an argument of start, is a port that nobody uses.
const freePort = "free port"

// start runs redis-server until the end of the test, which is skipped if there is none.
func start(t *testing.T, arguments ...string) *server {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed; `make contrib` installs it")
	}
	for {
		s := launch(t, program, arguments)
		if s.answers(t) {
			return s
		}
		if len(s.ports) == 0 || !strings.Contains(s.output.String(), "Failed listening on port") {
			t.Fatalf("redis-server has ended: %s", &s.output)
		} // somebody else was faster
	}
}

// startFor is start for suite.Kind.
func startFor(t *testing.T, messageBytes int) suite.Broker {
	t.Helper()
	if messageBytes > 0 {
		return start(t, "--client-output-buffer-limit", "pubsub 256mb 256mb 0")
	}
	return start(t)
}

func launch(t *testing.T, program string, arguments []string) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "wsloop-redis") // that of the test may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	s := &server{path: filepath.Join(dir, "redis.sock"), ended: make(chan struct{})}
	all := []string{"--port", "0", "--unixsocket", s.path, "--dir", dir, "--save", "", "--appendonly", "no"}
	for _, argument := range arguments {
		if argument == freePort {
			argument = findPort(t)
			s.ports = append(s.ports, argument)
		}
		all = append(all, argument)
	}
	s.process = exec.Command(program, all...)
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.process.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		s.Stop()
		os.RemoveAll(dir)
	})
	return s
}

// answers waits until it does, or has ended.
func (s *server) answers(t *testing.T) bool {
	t.Helper()
	o := client.MustParseURL(s.URL())
	o.ForceSingleClient, o.DisableCache, o.PipelineMultiplex = true, true, -1
	o.ConnWriteTimeout = bridgetest.Patience
	for deadline := time.Now().Add(bridgetest.Patience); ; time.Sleep(time.Millisecond) {
		admin, err := client.NewClient(o)
		if err == nil {
			s.admin = admin
			return true
		}
		admin.Close()
		select {
		case <-s.ended:
			return false
		default:
		}
		if time.Now().After(deadline) {
			s.Stop()
			t.Fatalf("%v: %s", err, &s.output)
		}
	}
}

// Stop ends it at once.
func (s *server) Stop() {
	s.process.Process.Kill()
	<-s.ended
	if s.admin != nil {
		s.admin.Close()
	}
}

func (s *server) URL() string { return "unix://" + s.path }

func (s *server) Address() string { return s.path }

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

// Publish is publish for suite.Broker.
func (s *server) Publish(t *testing.T, channel, data string) {
	t.Helper()
	s.publish(t, channel, data)
}

// Subscriptions are how many a server has of a bridge, by its name.
func (s *server) Subscriptions(t *testing.T, name string) (n int) {
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

// findPort finds a port that nobody uses now.
func findPort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}
