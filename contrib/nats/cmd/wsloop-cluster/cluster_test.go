package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
	"github.com/wsloop/wsloop/engine"
)

var (
	subscriberCount = flag.Int("subscribers", 300, "of TestCluster, a third on each node")
	heartbeat       = flag.String("heartbeat", "3s", "of the nodes of TestCluster")
)

// perPhase is how many messages each node publishes in a phase.
const perPhase = 20

// cluster is three nodes, each with a gate ahead of NATS, a process of subscribers, and a publisher.
type cluster struct {
	t      *testing.T
	each   int // subscribers of a node
	nats   *process
	target string // its address
	gates  [publishers]*bridgetest.Gate
	nodes  [publishers]*nodeProcess
	peers  [publishers]*process
	conns  [publishers]engine.Conn
	done   chan struct{} // told of each answer to a publisher
	next   [publishers]int
	sent   [publishers]uint64 // of next, by the process that is running

	want    [publishers][publishers]int64 // received by the subscribers of a node, by publisher
	skipped [publishers]int64             // by those of a node
}

// TestCluster has processes of wsloop-cluster, NATS and many subscribers fail, one after the other. Each subscriber gets each message
// once, and exactly those that can reach it.
func TestCluster(t *testing.T) {
	c := &cluster{t: t, each: *subscriberCount / publishers, done: make(chan struct{}, publishers*perPhase)}
	c.startNATS()
	for i := range publishers {
		c.gates[i] = bridgetest.NewGate(t, c.target)
		c.startNode(i)
	}
	c.phase("quiet", func() {}, all)
	c.phase("NATS is killed", c.killNATS, alone)
	c.phase("NATS is there again", c.restartNATS, all)
	c.phase("node 2 is cut off", func() { c.partition(2) }, func(from, to int) bool { return from == to || from != 2 && to != 2 })
	c.phase("node 2 is back", func() { c.heal(2) }, all)
	c.phase("node 1 is killed", func() { c.killNode(1) }, func(from, to int) bool { return from != 1 && to != 1 })
	c.phase("node 1 is started again", func() { c.startNode(1) }, all)
	c.checkNodes()
	for to, outages := range [publishers]int64{1, 0, 2} { // node 1 has been started anew
		if got := c.tally(to).Gaps; got < outages*int64(c.each) {
			t.Errorf("node %d: its subscribers were told of a gap %d times, want each at least %d times", to, got, outages)
		}
	}
	c.stop()
}

func all(int, int) bool       { return true }
func alone(from, to int) bool { return from == to }

// phase publishes from all nodes that live, and waits until the subscribers that are reached have everything.
func (c *cluster) phase(name string, begin func(), reaches func(from, to int) bool) {
	c.t.Helper()
	began := time.Now()
	begin()
	prepared := time.Now()
	for i := range perPhase {
		for from := range publishers {
			if c.nodes[from] != nil {
				c.publish(from)
				if i == perPhase-1 {
					for to := range publishers {
						if c.peers[to] == nil {
							continue
						}
						c.expect(from, to, reaches(from, to))
					}
				}
			}
		}
	}
	for to := range publishers {
		if c.peers[to] != nil {
			eventually(c.t, name, func() bool { return c.tally(to).Received == c.want[to] })
			c.check(name, to)
			c.awaitCounted(to) // the next fault may keep the confirmation back
		}
	}
	c.t.Logf("%-24s %8v to get there, %8v for %d messages of each node", name+":",
		prepared.Sub(began).Round(time.Millisecond), time.Since(prepared).Round(time.Millisecond), perPhase)
}

// expect notes what a phase's messages of a node make of the subscribers of another.
func (c *cluster) expect(from, to int, reached bool) {
	if n := int64(c.each) * perPhase; reached {
		c.want[to][from] += n
	} else {
		c.skipped[to] += n
	}
}

func (c *cluster) check(name string, to int) {
	c.t.Helper()
	if got := c.tally(to); got.Twice != 0 || got.Other != 0 || got.Closed != 0 || got.Received != c.want[to] {
		c.t.Errorf("%s: node %d: %+v, want %v", name, to, got, c.want[to])
	}
}

// awaitCounted waits until the bridge of a node knows what became of all messages.
func (c *cluster) awaitCounted(i int) {
	c.t.Helper()
	eventually(c.t, "all messages are counted", func() bool {
		b := c.nodes[i].stats().Bridge
		return b.Carried+b.Missed == c.sent[i]
	})
}

func (c *cluster) publish(from int) {
	c.t.Helper()
	c.next[from]++
	c.sent[from]++
	text := fmt.Sprintf(`{"type":"publish","topic":"load.%d","data":"%d %d"}`, from, from, c.next[from])
	if _, err := c.conns[from].SendText(text); err != nil {
		c.t.Fatal(err)
	}
	select {
	case <-c.done:
	case <-time.After(patience):
		c.t.Fatal("no answer to a publisher")
	}
}

func (c *cluster) tally(i int) (got tally) {
	c.t.Helper()
	fmt.Fprintln(c.peers[i].stdin)
	if err := json.Unmarshal([]byte(c.peers[i].line("^tally (.*)")), &got); err != nil {
		c.t.Fatal(err)
	}
	return got
}

func (c *cluster) startNATS() {
	c.nats = start(c.t, "nats")
	c.target = c.nats.line("nats on nats://(.*)")
}

func (c *cluster) awaitReady(ready bool, nodes ...int) {
	c.t.Helper()
	for _, i := range nodes {
		eventually(c.t, fmt.Sprintf("node %d: ready is %v", i, ready), func() bool { return c.nodes[i].ready() == ready })
	}
}

func (c *cluster) killNATS() {
	c.nats.kill()
	c.awaitReady(false, 0, 1, 2)
}

func (c *cluster) restartNATS() {
	c.startNATS()
	for _, g := range c.gates {
		g.Set(bridgetest.Faults{Target: c.target})
	}
	c.awaitReady(true, 0, 1, 2)
}

func (c *cluster) partition(i int) {
	c.gates[i].Set(bridgetest.Faults{Target: c.target, Up: bridgetest.Way{Stalled: true}, Down: bridgetest.Way{Stalled: true}})
	c.awaitReady(false, i)
}

func (c *cluster) heal(i int) {
	c.gates[i].Set(bridgetest.Faults{Target: c.target})
	c.awaitReady(true, i)
}

// startNode starts a node, its subscribers and its publisher.
func (c *cluster) startNode(i int) {
	c.t.Helper()
	c.nodes[i] = startNode(c.t, "node"+strconv.Itoa(i), "nats://"+c.gates[i].Address(), "-heartbeat", *heartbeat)
	c.awaitReady(true, i)
	c.peers[i] = start(c.t, "subscribers", "--", c.nodes[i].ws, strconv.Itoa(c.each))
	c.peers[i].line("^subscribed to (.*)")
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	var err error
	c.conns[i], err = engine.Dial(ctx, c.nodes[i].ws, engine.Events{Message: func(_ engine.Conn, _ codec.Opcode, payload []byte) {
		if strings.HasPrefix(string(payload), `{"type":"done"`) {
			c.done <- struct{}{}
		}
	}})
	if err != nil {
		c.t.Fatal(err)
	}
	// What is subscribed to here is subscribed to at NATS a moment later.
	eventually(c.t, "the subscriptions at NATS", func() bool {
		return c.nodes[i].stats().Bridge.Subscribed == 2
	})
}

// killNode ends a node as a crash would. Its subscribers notice.
func (c *cluster) killNode(i int) {
	c.t.Helper()
	c.nodes[i].kill()
	eventually(c.t, "subscribers of the node end", func() bool { return c.tally(i).Closed == int64(c.each) })
	c.peers[i].kill()
	c.nodes[i], c.peers[i] = nil, nil
	c.want[i] = [publishers]int64{}
	c.skipped[i], c.sent[i] = 0, 0
}

// checkNodes looks at what the nodes have counted, in the end.
func (c *cluster) checkNodes() {
	c.t.Helper()
	missed := [publishers]uint64{perPhase, 0, 2 * perPhase} // node 1 is a new process
	published := [publishers]uint64{7 * perPhase, perPhase, 7 * perPhase}
	gaps := [publishers]uint64{1, 0, 2}
	for i, n := range c.nodes {
		eventually(c.t, "a copy of each message has come", func() bool {
			b := n.stats().Bridge
			return b.Duplicates == b.Received
		})
		s := n.stats()
		if b := s.Bridge; b.Missed != missed[i] || b.Carried+b.Missed != published[i] || b.Unconfirmed+b.Dropped+b.TooLong+b.Unsendable+b.Refused+b.Late+b.Overrun+b.Echoes+b.Unwanted != 0 ||
			b.Gaps != gaps[i] || b.Outages != gaps[i] {
			c.t.Errorf("node %d: %+v", i, b)
		}
		if e := s.Server; e.Published != published[i]+s.Bridge.Received || e.Deliveries != e.Published*uint64(c.each) || e.Undelivered != 0 || e.Uncarried != missed[i] || e.Gaps != gaps[i] {
			c.t.Errorf("node %d: %+v", i, e)
		}
		if got := c.tally(i); got.Skipped != c.skipped[i] {
			c.t.Errorf("node %d: %d deliveries were missed, want %d", i, got.Skipped, c.skipped[i])
		}
		c.t.Logf("node %d: %d messages published, %d carried, %d missed, %d received, %d deliveries", i, published[i], s.Bridge.Carried, s.Bridge.Missed, s.Bridge.Received, s.Server.Deliveries)
	}
}

// stop ends the nodes gracefully: clients are told, and processes end without an error.
func (c *cluster) stop() {
	for i, n := range c.nodes {
		began := time.Now()
		n.cmd.Process.Signal(syscall.SIGTERM)
		eventually(c.t, "clients are told", func() bool {
			got := c.tally(i)
			return got.Closed == int64(c.each) && got.GoneAway == got.Closed
		})
		select {
		case <-n.ended:
		case <-time.After(patience):
			c.t.Fatal("a node does not end")
		}
		if n.err != nil {
			c.t.Errorf("node %d: %v", i, n.err)
		}
		c.t.Logf("node %d: %v to close %d connections", i, time.Since(began).Round(time.Millisecond), c.each)
	}
}

// TestEmbedded joins nodes that have NATS servers in their own processes, by routes between these.
func TestEmbedded(t *testing.T) {
	cluster := []string{"-cluster-host", "127.0.0.1", "-cluster-port", "-1"}
	first := start(t, "node", append([]string{"--", "serve", "-addr", "127.0.0.1:0"}, cluster...)...)
	routes := first.line("routes on (nats://.*)")
	firstURL := first.line(`topics on (ws://\S+)`)
	second := startNode(t, "second", embedded, append(cluster, "-cluster-routes", routes)...)
	got := make(chan string, 100)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	receiver, err := engine.Dial(ctx, second.ws, engine.Events{Message: func(_ engine.Conn, _ codec.Opcode, payload []byte) { got <- string(payload) }})
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan string, 100)
	sender, err := engine.Dial(ctx, firstURL, engine.Events{Message: func(_ engine.Conn, _ codec.Opcode, payload []byte) { answers <- string(payload) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ request, answer string }{
		{`{"type":"subscribe","id":1,"topic":"a..b"}`, `{"type":"error","id":1,`},
		{`{"type":"talk"}`, `{"type":"error",`},
		{`nonsense`, `{"type":"error",`},
		{`{"type":"unsubscribe","topic":"x"}`, `{"type":"error",`},
		{`{"type":"subscribe","topic":"x"}`, `{"type":"done"}`},
	} {
		receiver.SendText(test.request)
		if answer := <-got; !strings.HasPrefix(answer, test.answer) {
			t.Errorf("%s: %s", test.request, answer)
		}
	}
	eventually(t, "a message over the route", func() bool { // interest spreads on its own time
		sender.SendText(`{"type":"publish","topic":"x","data":{"a":1},"others":true}`)
		<-answers
		select {
		case m := <-got:
			return m == `{"type":"message","topic":"x","data":{"a":1}}`
		default:
			return false
		}
	})
	for _, p := range []*process{first, second.process} {
		p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(patience):
			t.Fatal("a node does not end")
		}
		if p.err != nil {
			t.Error(p.err)
		}
	}
}
