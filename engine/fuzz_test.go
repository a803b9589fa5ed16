//go:build linux || darwin || freebsd

package engine

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/codec/codectest"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller/sim"
)

// FuzzConnections lets the input be up to three clients of one loop: plan says how the server is set up and who sends how
// much when, stalls, hangs up or resets. Whatever the cuts and the order, each connection sees what it would see alone
// and whole; Open and Close balance, nothing follows a Close frame, and no memory is held at the end.
func FuzzConnections(f *testing.F) {
	seedConnections(f)
	f.Fuzz(func(t *testing.T, plan, a, b, c []byte) {
		if len(plan) == 0 || len(plan) > 512 || len(a)+len(b)+len(c) > 64<<10 {
			return
		}
		streams := [][]byte{a, b, c}
		together := playFuzz(t, plan[0], plan[1:], streams)
		for i, got := range together {
			alone := make([][]byte, len(streams))
			alone[i] = streams[i]
			got.compare(t, playFuzz(t, plan[0], nil, alone)[i])
		}
	})
}

// seedConnections has three neighbouring vectors share a loop, for each of the vectors.
func seedConnections(f *testing.F) {
	vectors := slices.DeleteFunc(codectest.Load(f, "../codec/testdata"), func(c codectest.Case) bool {
		return c.Options["role"] == "client" || len(c.In) > 500
	})
	for i := 0; i+2 < len(vectors); i += 3 {
		plan := []byte{byte(i) | upgradeAll, planBytes<<2 | 1, planStall<<2 | 2, planBytes<<2 | 2, (planBytes + 6) << 2, (planBytes+8)<<2 | 1, planBytes << 2}
		f.Add(plan, vectors[i].In, vectors[i+1].In, vectors[i+2].In)
	}
	for i, c := range codectest.Load(f, "../handshake/testdata") {
		if len(c.In) <= 500 {
			f.Add([]byte{byte(i) &^ upgradeAll, (planBytes + 9) << 2, planReset<<2 | 1}, c.In, []byte(head("/")+masked(true, codec.OpcodeText, "hi")), []byte{})
		}
	}
}

// The first byte of a plan.
const (
	upgradeAll  = 0x07 // a bit for each client: an opening handshake went before its bytes
	withWorkers = 0x08
	inFragments = 0x10
	smallLimits = 0x20
)

// The other bytes name a client in their low two bits, and above them what it does.
const (
	planFIN = iota
	planReset
	planStall
	planRead  // after a stall
	planPause // a second passes
	planBytes // so many bytes less planBytes are sent, and one
)

// fuzzClient is a client and what the server says of it.
type fuzzClient struct {
	peer    *sim.Peer
	rest    []byte // to be sent
	upgrade bool   // behind an opening handshake
	stalled bool   // it was, so that pings may have been answered together
	cut     bool   // it hung up or reset before its time, so that what waited for it may be lost
	workers bool   // its callbacks may come when the Close frame has gone

	wire     []byte
	events   []string
	messages []string // a part of events
	message  []byte   // in fragments
	opens    int
	closes   int
}

// playFuzz has a server live through the plan, and checks what holds for every server.
func playFuzz(t *testing.T, setup byte, steps []byte, streams [][]byte) []*fuzzClient {
	clients := make([]*fuzzClient, len(streams))
	for i, stream := range streams {
		clients[i] = &fuzzClient{rest: stream, upgrade: setup&(1<<i) != 0, workers: setup&withWorkers != 0}
	}
	s := fuzzServer(t, setup, clients)
	world := sim.New(sim.Options{Seed: 1, Main: func(w *sim.World) {
		for _, c := range clients {
			c.dial(w)
		}
		for _, step := range steps {
			clients[int(step&3)%len(clients)].step(w, int(step>>2))
		}
		for _, c := range clients {
			c.finish(w)
		}
		w.Advance(time.Minute)
		expectNothingHeld(t, s)
	}})
	if err := s.ServeDriver(world); err != ErrServerClosed {
		t.Fatalf("ServeDriver: %v", err)
	}
	for _, c := range clients {
		c.check(t)
	}
	return clients
}

func fuzzServer(t *testing.T, setup byte, clients []*fuzzClient) *Server {
	client := func(c Conn) *fuzzClient { return c.Data().(*fuzzClient) }
	s := &Server{
		MaxBufferedBytes: math.MaxInt32, HandshakeTimeout: never, CloseTimeout: never, WriteTimeout: never,
		PingInterval: 4 * never, ControlRate: Rate{PerSecond: Unlimited},
		Logger: slog.New(slog.DiscardHandler),
		Events: Events{
			Upgrade: func(c Conn, _ *handshake.Request, _ *handshake.Response) {
				i := slices.IndexFunc(clients, func(f *fuzzClient) bool { return f.peer.Addr() == c.RemoteAddr() })
				c.SetData(clients[i])
			},
			Open: func(c Conn) { client(c).opens++ },
			Message: func(c Conn, op codec.Opcode, payload []byte) {
				client(c).received(c, op, payload)
			},
			Ping: func(c Conn, payload []byte) { client(c).event(payloadEvent("ping", payload)) },
			Pong: func(c Conn, payload []byte) { client(c).event(payloadEvent("pong", payload)) },
			Close: func(c Conn, how Closure) {
				client(c).event(fmt.Sprintf("close %d %q %v", how.Code, how.Reason, how.Err))
				client(c).closes++
			},
		},
	}
	if setup&withWorkers != 0 {
		s.Workers = 2
	}
	if setup&inFragments != 0 {
		s.Events.Fragment = func(c Conn, f Fragment) { client(c).fragment(t, c, f) }
	}
	if setup&smallLimits != 0 {
		s.MaxMessageBytes, s.MaxFragments, s.MaxInFlight, s.MaxHeadBytes = 100, 3, 2, 400
	}
	return s
}

func (c *fuzzClient) dial(w *sim.World) {
	c.peer = w.Dial()
	c.peer.Cut(sim.CutNowhere)
	c.peer.OnData(func(b []byte) { c.wire = append(c.wire, b...) })
	if c.upgrade {
		c.peer.Send([]byte(head("/")))
	}
	w.Settle()
}

func (c *fuzzClient) step(w *sim.World, what int) {
	switch what {
	case planFIN:
		c.cut = true
		c.peer.CloseWrite()
	case planReset:
		c.cut = true
		c.peer.Reset()
	case planStall:
		c.stalled = true
		c.peer.Window(0)
	case planRead:
		c.peer.Window(-1)
	case planPause:
		w.Advance(time.Second)
	default:
		c.send(min(what-planBytes+1, len(c.rest)))
	}
	w.Settle()
}

func (c *fuzzClient) send(n int) {
	c.peer.Send(c.rest[:n])
	c.rest = c.rest[n:]
}

// finish sends what is left, reads all, and hangs up.
func (c *fuzzClient) finish(w *sim.World) {
	c.send(len(c.rest))
	c.peer.Window(-1)
	w.Settle()
	c.peer.CloseWrite()
}

func (c *fuzzClient) event(e string) { c.events = append(c.events, e) }

func (c *fuzzClient) received(conn Conn, op codec.Opcode, payload []byte) {
	e := payloadEvent(op.String(), payload)
	c.event(e)
	c.messages = append(c.messages, e)
	echo(conn, op, payload)
}

// fragment joins the pieces: where they are cut depends on how they arrived.
func (c *fuzzClient) fragment(t *testing.T, conn Conn, f Fragment) {
	if f.First != (c.message == nil) {
		t.Errorf("First is %t after %q", f.First, c.message)
	}
	if f.First {
		c.message = []byte{}
	}
	c.message = append(c.message, f.Payload...)
	if f.Last {
		message := c.message
		c.message = nil
		c.received(conn, f.Opcode, message)
	}
}

// check holds a client to what is true of all.
func (c *fuzzClient) check(t *testing.T) {
	if c.opens > 1 || c.opens != c.closes {
		t.Errorf("%d calls of Open, %d of Close; %q", c.opens, c.closes, c.events)
	}
	if c.opens == 0 {
		return
	}
	if !bytes.HasPrefix(c.wire, []byte("HTTP/1.1 101 ")) && !c.cut {
		t.Errorf("Open was called after the answer %q", c.wire)
	}
	_, sent, _ := bytes.Cut(c.wire, []byte("\r\n\r\n"))
	all, err := frames(sent)
	if err != nil && !c.cut {
		t.Errorf("the server sent % x: %v", sent, err)
	}
	var echoed []string
	for i, f := range all {
		switch {
		case f.op == codec.OpcodeClose && i < len(all)-1:
			t.Errorf("%d frames behind the Close frame", len(all)-1-i)
		case !f.op.IsControl():
			echoed = append(echoed, payloadEvent(f.op.String(), f.payload))
		}
	}
	n := len(echoed)
	if n > len(c.messages) || !slices.Equal(echoed, c.messages[:n]) || n < len(c.messages) && !c.cut && !c.workers {
		t.Errorf("received %q, echoed %q", c.messages, echoed)
	}
}

// compare holds c to what happened when its bytes came whole and nobody else was there.
func (c *fuzzClient) compare(t *testing.T, alone *fuzzClient) {
	switch {
	case c.cut:
		seen := max(len(c.events)-1, 0) // the last is how it ended
		if len(alone.events) < seen || !slices.Equal(c.events[:seen], alone.events[:seen]) {
			t.Errorf("until it was cut off: %q\nalone: %q", c.events, alone.events)
		}
	case !slices.Equal(c.events, alone.events):
		t.Errorf("events %q\nalone  %q", c.events, alone.events)
	case !c.stalled && !c.workers && !bytes.Equal(c.wire, alone.wire):
		t.Errorf("the server sent %q\nalone          %q", c.wire, alone.wire)
	}
}

// TestCorpora counts the inputs that fuzzing found and go test replays.
func TestCorpora(t *testing.T) {
	var files []string
	for _, pattern := range []string{"testdata/fuzz/*/*", "../codec/testdata/fuzz/*/*", "../codec/utf8/testdata/fuzz/*/*", "../codec/deflate/testdata/fuzz/*/*", "../handshake/testdata/fuzz/*/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	total := int64(0)
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if len(files) < 1000 || total > 2<<20 {
		t.Errorf("%d inputs of %d bytes in all", len(files), total)
	}
}
