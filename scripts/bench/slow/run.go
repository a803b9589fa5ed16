//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// result is what one run of a scenario found.
type result struct {
	P50, P99 time.Duration
	Missed   int    // messages that did not reach a connection that reads
	Memory   int64  // the most that the server held, in bytes
	Dropped  uint64 // messages that the server dropped for those that do not
}

// run starts a server and a client for one scenario.
func run(l load, s scenario) (r result, err error) {
	server, err := start(l, "-role=server")
	if err != nil {
		return r, err
	}
	defer server.stop()
	addr, err := server.line()
	if err != nil {
		return r, err
	}
	client, err := start(l, "-role=client", "-addr="+addr,
		"-deaf="+strconv.Itoa(int(s.deaf*float64(l.connections))), "-halting="+strconv.Itoa(int(s.halting*float64(l.connections))))
	if err != nil {
		return r, err
	}
	defer client.stop()
	if _, err := client.line(); err != nil { // all are connected
		return r, fmt.Errorf("client: %w", err)
	}
	fmt.Fprintln(server.in, "go")
	if err := client.result(&r); err != nil {
		return r, fmt.Errorf("client: %w", err)
	}
	fmt.Fprintln(server.in, "end")
	if err := server.result(&r); err != nil {
		return r, fmt.Errorf("server: %w", err)
	}
	return r, nil
}

// process is one half of a run, on one processor.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(l load, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args = append(args, "-connections="+strconv.Itoa(l.connections), "-broadcasts="+strconv.Itoa(l.broadcasts),
		"-bytes="+strconv.Itoa(l.bytes), "-interval="+l.interval.String(), "-memory="+strconv.FormatInt(l.memory, 10))
	p := &process{cmd: exec.Command(self, args...)}
	p.cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, p.cmd.Start()
}

func (p *process) line() (string, error) {
	line, err := p.out.ReadString('\n')
	return strings.TrimSpace(line), err
}

func (p *process) result(r *result) error {
	line, err := p.line()
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(line), r)
}

func (p *process) stop() {
	p.in.Close()
	p.cmd.Process.Kill()
	p.cmd.Wait()
}
