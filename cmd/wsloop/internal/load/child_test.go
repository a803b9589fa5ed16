package load

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// talk runs a child here, and returns the way to it, and what it writes.
func talk(t *testing.T, c Config) (to io.WriteCloser, written *lockedBuffer, done chan error) {
	t.Helper()
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	in, to := io.Pipe()
	written, done = new(lockedBuffer), make(chan error, 1)
	go func() { done <- RunChild(in, written) }()
	t.Cleanup(func() { to.Close() })
	line, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	tell(t, to, string(line))
	return to, written, done
}

func tell(t *testing.T, to io.Writer, line string) {
	t.Helper()
	if _, err := io.WriteString(to, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

func isOpen(written *lockedBuffer) func() bool {
	return func() bool { return strings.Contains(written.String(), `{"open":10}`) }
}

// last decodes the last note.
func last(t *testing.T, written *lockedBuffer) (n note) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(written.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A child waits for each word, and reports behind the last.
func TestChild(t *testing.T) {
	t.Parallel()
	var received counter
	s := echoServer()
	s.Events.Message = countingEcho(&received)
	to, written, done := talk(t, small(serve(t, s)))
	eventually(t, "connections", isOpen(written))
	if received.Load() != 0 {
		t.Error("it sent before it was told")
	}
	tell(t, to, "something else")
	tell(t, to, wordMeasure)
	eventually(t, "a sample with messages", func() bool { return strings.Contains(written.String(), `"latency":`) })
	tell(t, to, wordDrain)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r := last(t, written).Report
	if r == nil || r.Connect.Opened != 10 || r.Messages.Received == 0 || r.Connect.Lost != 0 {
		t.Errorf("%+v", r)
	}
}

// A child that has to drain before it measured does.
func TestChildDrainsAtOnce(t *testing.T) {
	t.Parallel()
	to, written, done := talk(t, small(serve(t, echoServer())))
	tell(t, to, wordDrain)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if r := last(t, written).Report; r == nil || r.Messages.Sent != 0 {
		t.Errorf("%+v", r)
	}
}

// When the parent is gone, a child ends, wherever it is.
func TestChildOrphaned(t *testing.T) {
	t.Parallel()
	c := small(serve(t, echoServer()))
	c.Warmup = time.Hour
	to, written, done := talk(t, c)
	eventually(t, "connections", isOpen(written))
	tell(t, to, wordMeasure)
	to.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	c.ConnectRate, c.Drain = 0.001, time.Hour
	to, _, done = talk(t, c)
	to.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A drain that waits for answers ends with the parent.
func TestChildOrphanedDraining(t *testing.T) {
	t.Parallel()
	var received counter
	s := echoServer()
	s.Events.Message = func(engine.Conn, codec.Opcode, []byte) { received.Add(1) }
	c := small(serve(t, s))
	c.Drain = time.Hour
	to, _, done := talk(t, c)
	tell(t, to, wordMeasure)
	eventually(t, "messages", func() bool { return received.Load() == 10 })
	tell(t, to, wordDrain)
	to.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestChildWithoutShare(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"", "{}", "?\n"} {
		if err := RunChild(strings.NewReader(in), io.Discard); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
	c := small("no URL")
	_, written, done := talk(t, c)
	if err := <-done; err != nil || last(t, written).Error == "" {
		t.Errorf("%v, and %s", err, written)
	}
}
