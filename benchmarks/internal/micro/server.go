package micro

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
)

// A server is a process of ../../servers/wsloop.
type server struct {
	process *exec.Cmd
	port    string
	ask     io.WriteCloser
	said    *bufio.Scanner
}

// counts are what the process has counted since it began.
type counts struct {
	Messages uint64 `json:"messages"`
	Mallocs  uint64 `json:"mallocs"`
	Cycles   uint64 `json:"cycles"`
}

var listening = regexp.MustCompile(`^listening on 127\.0\.0\.1:([1-9][0-9]*)$`)

// startServer starts it on one processor; end ends it, and so does the end of ctx.
func startServer(ctx context.Context, program string) (*server, error) {
	s := &server{process: exec.CommandContext(ctx, program, "-addr", "127.0.0.1:0")}
	s.process.Env = append(os.Environ(), "GOMAXPROCS=1")
	s.process.Stderr = os.Stderr
	s.process.WaitDelay = killDelay
	ask, err := s.process.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := s.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.ask, s.said = ask, bufio.NewScanner(out)
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	line, err := s.line()
	if err != nil {
		s.end()
		return nil, err
	}
	address := listening.FindStringSubmatch(line)
	if address == nil {
		s.end()
		return nil, fmt.Errorf("micro: %q is no address", line)
	}
	s.port = address[1]
	return s, nil
}

// count asks for the counters.
func (s *server) count() (c counts, err error) {
	if _, err := io.WriteString(s.ask, "count\n"); err != nil {
		return c, err
	}
	line, err := s.line()
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal([]byte(line), &c); err != nil {
		return c, fmt.Errorf("micro: %q: %w", line, err)
	}
	return c, nil
}

// line is what the server says next.
func (s *server) line() (string, error) {
	if s.said.Scan() {
		return s.said.Text(), nil
	}
	return "", errors.Join(errors.New("micro: the server ended"), s.said.Err())
}

// end kills the process, which has nothing to lose, and waits for it.
func (s *server) end() {
	_ = s.process.Process.Kill() // it may have ended
	_ = s.process.Wait()         // by that
}
