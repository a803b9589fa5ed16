package deflate

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// order is what a peer in another process is told, one a line.
type order struct {
	Do      string    `json:"do"` // talk, listen or stop
	URL     string    `json:"url,omitempty"`
	Options *setting  `json:"options,omitempty"`
	Talk    *talkSpec `json:"talk,omitempty"`
}

// reply is its answer.
type reply struct {
	told
	Host string `json:"host"`
}

// remote is a peer in another process, which carries out one order after the other.
type remote struct {
	mu    sync.Mutex
	order func(ctx context.Context, o order) (reply, error)
}

func (r *remote) talk(ctx context.Context, url string, s setting, spec talkSpec) (told, error) {
	answer, err := r.do(ctx, order{Do: "talk", URL: url, Options: &s, Talk: &spec})
	return answer.told, err
}

func (r *remote) listen(ctx context.Context, s setting) (host string, stop func(), err error) {
	answer, err := r.do(ctx, order{Do: "listen", Options: &s})
	if err == nil && answer.Error != "" {
		err = errors.New(answer.Error)
	}
	return answer.Host, func() { _, _ = r.do(ctx, order{Do: "stop"}) }, err
}

func (r *remote) do(ctx context.Context, o order) (reply, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.order(ctx, o)
}

// startRemote starts a peer by the command that a variable has, or returns nil if it has none.
func startRemote(t *testing.T, name, variable string, take *taken) peer {
	t.Helper()
	command := os.Getenv(variable)
	switch {
	case command == "":
		return nil
	case name == "chromium" || name == "firefox":
		return startBrowser(t, name, command, take)
	}
	words := strings.Fields(command)
	process := exec.Command(words[0], words[1:]...)
	process.Stderr = os.Stderr
	in, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // which ends it
		if err := process.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
	return &remote{order: byLines(in, out)}
}

// byLines sends orders and reads replies as lines of JSON.
func byLines(in io.Writer, out io.Reader) func(ctx context.Context, o order) (reply, error) {
	lines := make(chan []byte)
	go func() {
		for r := bufio.NewReader(out); ; {
			line, err := r.ReadBytes('\n')
			if err != nil {
				close(lines)
				return
			}
			lines <- line
		}
	}()
	return func(ctx context.Context, o order) (answer reply, err error) {
		if err := json.NewEncoder(in).Encode(o); err != nil {
			return answer, err
		}
		select {
		case line, ok := <-lines:
			if !ok {
				return answer, io.ErrUnexpectedEOF
			}
			if err := json.Unmarshal(line, &answer); err != nil {
				return answer, fmt.Errorf("%q: %w", line, err)
			}
			return answer, nil
		case <-ctx.Done():
			return answer, ctx.Err()
		}
	}
}

// onlyRemotes says that browser.sh wants its browsers alone.
func onlyRemotes() bool {
	return os.Getenv("INTEROP_CHROMIUM") != "" || os.Getenv("INTEROP_FIREFOX") != ""
}
