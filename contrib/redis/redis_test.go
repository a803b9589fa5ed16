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
	ports   []string // for each freePort among the arguments
	process *exec.Cmd
	ended   chan struct{}
	output  bytes.Buffer // to be read when it has ended
	admin   client.Client
}

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
		s.kill()
		os.RemoveAll(dir)
	})
	return s
}

// answers waits until it does, or has ended.
func (s *server) answers(t *testing.T) bool {
	t.Helper()
	o := client.MustParseURL(s.url())
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
			s.kill()
			t.Fatalf("%v: %s", err, &s.output)
		}
	}
}

// kill ends it at once.
func (s *server) kill() {
	s.process.Process.Kill()
	<-s.ended
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

// calm has a bridge wait for Redis as long as tests do, unless they want heartbeats: a busy machine is no outage.
func calm(o Options) Options {
	if o.Heartbeat == 0 {
		o.Heartbeat = bridgetest.Patience
		under := o.Client
		o.Client = func(c *client.ClientOption) {
			c.Dialer.Timeout = bridgetest.Patience
			if under != nil {
				under(c)
			}
		}
	}
	o.Logger = slog.New(slog.DiscardHandler)
	return o
}

// opened makes a bridge and opens it, and closes it at the end of the test.
func opened(t *testing.T, name string, o Options, patterns ...string) (*Bridge, *bridgetest.Recorder) {
	t.Helper()
	o = calm(o)
	o.Name = name
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

// checkArrived waits until b has everything that a alone has published and counts as carried, and checks that it has nothing else but what a
// counts as unconfirmed.
func checkArrived(t *testing.T, a, b *Bridge) {
	t.Helper()
	bridgetest.Eventually(t, "what is carried has arrived", func() bool { return b.Stats().Received >= a.Stats().Carried })
	if st, sb := a.Stats(), b.Stats(); sb.Received > st.Carried+st.Unconfirmed {
		t.Errorf("%+v arrived: %+v", sb, st)
	}
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
