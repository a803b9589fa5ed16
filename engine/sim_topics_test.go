//go:build linux || darwin || freebsd

package engine

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine/internal/topic"
	"github.com/wsloop/wsloop/poller/sim"
)

// TestTopicsSimulation has peers subscribe, unsubscribe, publish and go in every order, over a simulated system with faults, and the server publish and
// close besides. Each subscriber gets what was published while it subscribed, each message once and in order: all of it, or, if
// its connection ended, the beginning.
func TestTopicsSimulation(t *testing.T) {
	seeds := *simSeeds
	if testing.Short() {
		seeds /= 5
	}
	if *simSeed != 0 {
		runTopics(t, *simSeed, func(line string) { t.Log(line) })
		return
	}
	for seed := uint64(1); seed <= uint64(seeds) && !t.Failed(); seed++ {
		runTopics(t, seed, nil)
	}
}

// topicsRun is a server with topics and the peers of its world.
type topicsRun struct {
	*testing.T
	seed     uint64
	draw     *rand.Rand
	server   *Server
	world    *sim.World
	peers    []*topicsPeer
	n        int               // messages published
	retained map[string]string // by name
}

// topicsPeer is a connection from both ends.
type topicsPeer struct {
	*sim.Peer
	conn     Conn
	open     bool // between Open and Close
	patterns []string
	want     []string // what was published to it
	ended    bool     // somebody has begun to end the connection, or was told of its end
	stream   []byte
}

var (
	topicsNames    = []string{"a", "a.b", "a.b.c", "a.c", "b"}
	topicsPatterns = append([]string{"*", ">", "a.*", "a.>", "*.b", "a.*.c", "b.>"}, topicsNames...)
)

func pick(draw *rand.Rand, from []string) string { return from[draw.IntN(len(from))] }

func runTopics(t *testing.T, seed uint64, trace func(string)) {
	r := &topicsRun{T: t, seed: seed, draw: rand.New(rand.NewPCG(seed, 7)), retained: map[string]string{}}
	r.server = &Server{
		Logger: slog.New(slog.DiscardHandler), MaxBufferedBytes: 1 << 20, PingInterval: Never, WriteTimeout: Never,
		HandshakeTimeout: Never, CloseTimeout: Never,
		tune: func(o *options) { o.fanOutChunk = 1 },
	}
	if r.draw.IntN(2) == 0 {
		r.server.Topics = []Topic{{Pattern: "a.>", Retain: true}}
	}
	r.server.Events = Events{Open: r.opened, Message: r.message, Close: r.closed, Unsubscribed: r.unsubscribed}
	r.world = sim.New(sim.Options{
		Seed: seed, Loops: 1 + r.draw.IntN(3), Faults: topicsFaults(r.draw), Trace: trace,
		SendBuffer: 1 << (8 + r.draw.IntN(7)), ReceiveBuffer: 1 << (8 + r.draw.IntN(7)),
		Main: func(*sim.World) { r.main() },
	})
	if err := r.server.ServeDriver(r.world.Driver()); err != ErrServerClosed {
		t.Errorf("seed %d: ServeDriver: %v", seed, err)
	}
	if t.Failed() {
		t.Logf("repeat it with: go test ./engine -run '%s$' -seed %d -v", t.Name(), seed)
	}
}

// topicsFaults are those that end no connection.
func topicsFaults(draw *rand.Rand) sim.Faults {
	f := sim.RandomFaults(draw)
	return sim.Faults{ShortRead: f.ShortRead, ShortWrite: f.ShortWrite, Again: f.Again, Interrupt: f.Interrupt, Spurious: f.Spurious, Stale: f.Stale}
}

func (r *topicsRun) main() {
	for range 300 {
		r.act()
		if r.draw.IntN(3) > 0 {
			for range r.draw.IntN(30) {
				r.world.Step()
			}
		}
	}
	r.world.Calm()
	for _, p := range r.peers {
		p.Window(1 << 20)
	}
	r.world.Settle()
	for _, p := range r.peers {
		r.judge(p)
		p.Close()
	}
	r.world.Settle()
	r.world.Advance(time.Minute)
	if n := r.server.Stats().Subscriptions; n != 0 {
		r.Errorf("seed %d: %d subscriptions are left", r.seed, n)
	}
}

// act is one thing that a peer, or a goroutine of the server, does.
func (r *topicsRun) act() {
	if len(r.peers) == 0 || r.draw.IntN(20) == 0 {
		p := &topicsPeer{Peer: r.world.Dial()}
		p.Cut(sim.Cut(r.draw.IntN(3)))
		p.OnData(func(b []byte) { p.stream = append(p.stream, b...) })
		p.Send([]byte(head(fmt.Sprint("/", len(r.peers)))))
		r.peers = append(r.peers, p)
		return
	}
	p := r.peers[r.draw.IntN(len(r.peers))]
	send := func(command string) { p.Send([]byte(masked(true, codec.OpcodeText, command))) }
	switch r.draw.IntN(14) {
	case 0, 1, 2, 3:
		send("+" + pick(r.draw, topicsPatterns))
	case 4, 5:
		send("-" + pick(r.draw, topicsPatterns))
	case 6, 7:
		send("!" + pick(r.draw, topicsNames))
	case 8, 9, 10:
		r.publish(nil, pick(r.draw, topicsNames))
	case 11:
		if p.open && !p.ended {
			r.subscribe(p, pick(r.draw, topicsPatterns))
		}
	case 12:
		p.Window(r.draw.IntN(3000))
	default:
		if r.draw.IntN(6) == 0 {
			r.end(p)
		}
	}
}

// end has a connection end, in one of many ways.
func (r *topicsRun) end(p *topicsPeer) {
	p.ended = true
	switch r.draw.IntN(6) {
	case 0:
		p.Send([]byte(masked(true, codec.OpcodeClose, "")))
	case 1:
		p.CloseWrite()
	case 2:
		p.Reset()
	case 3:
		_ = p.conn.Close(codec.StatusNormalClosure, "") // which may not be open
	case 4:
		p.conn.Abort()
	default:
		p.Close()
	}
}

func (r *topicsRun) opened(c Conn) {
	for _, p := range r.peers {
		if p.Addr() == c.RemoteAddr() {
			p.conn, p.open = c, true
			c.SetData(p)
		}
	}
}

func (r *topicsRun) closed(c Conn, _ Closure) {
	p := c.Data().(*topicsPeer)
	p.open, p.ended = false, true
	if len(p.patterns) > 0 {
		r.Errorf("seed %d: %q were not unsubscribed", r.seed, p.patterns)
	}
}

func (r *topicsRun) unsubscribed(c Conn, pattern string) {
	p := c.Data().(*topicsPeer)
	i := slices.Index(p.patterns, pattern)
	if i < 0 {
		r.Errorf("seed %d: Unsubscribed of %q, which nobody subscribed to", r.seed, pattern)
		return
	}
	p.patterns = slices.Delete(p.patterns, i, i+1)
}

// message does what a peer asks for.
func (r *topicsRun) message(c Conn, _ codec.Opcode, payload []byte) {
	p := c.Data().(*topicsPeer)
	switch text := string(payload[1:]); payload[0] {
	case '+':
		r.subscribe(p, text)
	case '-':
		if had := slices.Contains(p.patterns, text); c.Unsubscribe(text) != had {
			r.Errorf("seed %d: Unsubscribe(%q) says that there was a subscription: %v", r.seed, text, !had)
		}
	case '!':
		r.publish(p, text)
	}
}

func (r *topicsRun) subscribe(p *topicsPeer, pattern string) {
	fresh := !slices.Contains(p.patterns, pattern)
	if fresh {
		p.patterns = append(p.patterns, pattern)
	}
	if err := p.conn.Subscribe(pattern); err != nil {
		if !p.ended {
			r.Errorf("seed %d: Subscribe(%q): %v", r.seed, pattern, err)
		}
		if fresh {
			p.patterns = p.patterns[:len(p.patterns)-1]
		}
		return
	}
	if !fresh {
		return
	}
	var kept []string
	for name, payload := range r.retained {
		if topic.Matches(pattern, name) {
			kept = append(kept, payload)
		}
	}
	slices.Sort(kept)
	p.want = append(p.want, "?"+strings.Join(kept, " ")) // in any order
}

func (r *topicsRun) publish(except *topicsPeer, name string) {
	payload := fmt.Sprintf("%05d:%s", r.n, name)
	r.n++
	count := 0
	for _, p := range r.peers {
		matches := func(pattern string) bool { return topic.Matches(pattern, name) }
		if p.open && p != except && slices.ContainsFunc(p.patterns, matches) {
			p.want = append(p.want, payload)
			if !p.ended {
				count++
			}
		}
	}
	if len(r.server.Topics) > 0 && topic.Matches("a.>", name) {
		r.retained[name] = payload
	}
	var got Published
	var err error
	if except != nil {
		got, err = except.conn.Publish(name, codec.OpcodeText, []byte(payload))
	} else {
		got, err = r.server.Publish(name, codec.OpcodeText, []byte(payload))
	}
	if err != nil && len(r.server.allLoops()) > 0 || got.Receivers() < count {
		r.Errorf("seed %d: %+v, %v for %d subscribers", r.seed, got, err, count)
	}
}

// judge compares what a peer received with what it should have.
func (r *topicsRun) judge(p *topicsPeer) {
	i := bytes.Index(p.stream, []byte("\r\n\r\n"))
	if i < 0 {
		if !p.ended {
			r.Errorf("seed %d: no answer to a handshake", r.seed)
		}
		return
	}
	all, err := frames(p.stream[i+4:])
	if err != nil && !p.ended {
		r.Errorf("seed %d: %v", r.seed, err)
	}
	var got []string
	for _, f := range all {
		if f.op == codec.OpcodeText {
			got = append(got, string(f.payload))
		}
	}
	for _, want := range p.want {
		n := 1
		have := ""
		if want[0] == '?' {
			if want = want[1:]; want == "" {
				continue
			}
			n = strings.Count(want, " ") + 1
		}
		if len(got) < n {
			if !p.ended {
				r.Errorf("seed %d: %q did not come", r.seed, want)
			}
			return
		}
		kept := slices.Sorted(slices.Values(got[:n]))
		if have = strings.Join(kept, " "); have != want {
			r.Errorf("seed %d: %q came, want %q", r.seed, have, want)
			return
		}
		got = got[n:]
	}
	if len(got) > 0 {
		r.Errorf("seed %d: %q came besides", r.seed, got)
	}
}
