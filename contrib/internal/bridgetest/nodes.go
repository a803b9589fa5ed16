package bridgetest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// Node is a server with a bridge. Its clients subscribe to what they send, or publish "TOPIC TEXT".
type Node struct {
	*engine.Server
	URL  string
	Gaps atomic.Int64 // that the bridge has told of
}

// NewNode runs a server until the end of the test.
func NewNode(t *testing.T, b engine.Bridge, topics ...engine.Topic) *Node {
	t.Helper()
	n := new(Node)
	n.Server = &engine.Server{
		Loops: 2, Bridge: b, BridgeGap: func() { n.Gaps.Add(1) }, Topics: topics, Logger: slog.New(slog.DiscardHandler),
		Events: engine.Events{Message: serve},
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(ln); err != nil {
		t.Fatal(err)
	}
	n.URL = "ws://" + ln.Addr().String() + "/"
	t.Cleanup(func() { n.Close() })
	return n
}

func serve(c engine.Conn, op codec.Opcode, payload []byte) {
	topic, text, publish := strings.Cut(string(payload), " ")
	if publish {
		c.Publish(topic, op, []byte(text))
		return
	}
	c.Subscribe(topic)
	c.Send(codec.OpcodeBinary, nil) // done
}

// Peer is a client that notes what it gets.
type Peer struct {
	engine.Conn
	mu       sync.Mutex
	messages []string
	done     chan struct{} // subscribed
}

// Join connects a client to a Node until the end of the test, and subscribes it.
func Join(t *testing.T, url string, patterns ...string) *Peer {
	t.Helper()
	p := &Peer{done: make(chan struct{}, 1)}
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	c, err := engine.Dial(ctx, url, engine.Events{Message: p.message})
	if err != nil {
		t.Fatal(err)
	}
	p.Conn = c
	t.Cleanup(func() { c.Close(codec.StatusNormalClosure, "") })
	for _, pattern := range patterns {
		c.Send(codec.OpcodeText, []byte(pattern))
		select {
		case <-p.done:
		case <-ctx.Done():
			t.Fatalf("not subscribed to %q in time", pattern)
		}
	}
	return p
}

func (p *Peer) message(_ engine.Conn, op codec.Opcode, payload []byte) {
	if op == codec.OpcodeBinary {
		p.done <- struct{}{}
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages = append(p.messages, string(payload))
}

// All is what it got.
func (p *Peer) All() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.messages)
}

// Count is how much it got.
func (p *Peer) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.messages)
}

// Texts are numbers as text.
func Texts(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}
