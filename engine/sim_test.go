//go:build linux || darwin || freebsd

package engine

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller/sim"
)

var (
	simSeed  = flag.Uint64("seed", 0, "run this seed of a simulation alone, and print its trace with -v")
	simSeeds = flag.Int("seeds", 500, "number of seeds that a simulation runs")
)

// TestSimulation runs servers over a simulated system, with scripted clients and faults, and holds a model against
// each. A failure names its seed and the clients that it takes.
func TestSimulation(t *testing.T) { simulate(t, newSimRun) }

// The same seed gives the same run.
func TestSimulationRepeats(t *testing.T) { simulateTwice(t, newSimRun) }

// A maker makes the run of a seed, without some of its peers.
type maker func(seed uint64, without map[int]bool, trace func(string)) *simRun

func simulate(t *testing.T, newRun maker) {
	if *simSeed != 0 {
		if problem := newRun(*simSeed, nil, func(line string) { t.Log(line) }).play(); problem != "" {
			t.Error(problem)
		}
		return
	}
	seeds := *simSeeds
	if testing.Short() {
		seeds /= 5
	}
	for seed := uint64(1); seed <= uint64(seeds); seed++ {
		if problem := newRun(seed, nil, nil).play(); problem != "" {
			t.Fatalf("%s\nrepeat it with: go test ./engine -run '%s$' -seed %d -v\n%s", problem, t.Name(), seed, shorten(seed, newRun))
		}
	}
}

func simulateTwice(t *testing.T, newRun maker) {
	for seed := uint64(1); seed <= 20; seed++ {
		var sums [2]uint64
		for i := range sums {
			h := fnv.New64()
			newRun(seed, nil, func(line string) { fmt.Fprintln(h, line) }).play()
			sums[i] = h.Sum64()
		}
		if sums[0] != sums[1] {
			t.Errorf("seed %d gave two different runs", seed)
		}
	}
}

// shorten leaves peers out as long as the run still fails, and shows what is left.
func shorten(seed uint64, newRun maker) string {
	left := map[int]bool{}
	problem := ""
	for id := range newRun(seed, nil, nil).peers {
		left[id] = true
		if p := newRun(seed, left, nil).play(); p == "" {
			delete(left, id)
		} else {
			problem = p
		}
	}
	lines := []string{"without the other peers: " + problem}
	for _, c := range newRun(seed, left, nil).peers {
		if !left[c.id] {
			lines = append(lines, c.String())
		}
	}
	return strings.Join(lines, "\n")
}

// simRun is a server, a world and the peers in it.
type simRun struct {
	seed    uint64
	without map[int]bool // peers that are left out
	random  *rand.Rand   // of the server's callbacks
	server  *Server
	world   *sim.World
	faults  sim.Faults
	peers   []*simPeer
	tight   bool          // limits are so low that good peers may lose their connection
	swept   bool          // a system call fails
	shutAt  time.Duration // when the server begins to shut down; 0 for never
	shut    bool          // it did
	live    int           // connections that are open, as the callbacks tell
	keys    map[uint32]bool
	repeats int // keys that came again
	nonces  map[string]bool
	trouble string
}

func newSimRun(seed uint64, without map[int]bool, trace func(string)) *simRun {
	draw := rand.New(rand.NewPCG(seed, 2))
	r := newRun(seed, without)
	for range 1 + draw.IntN(6) {
		r.add().draw()
	}
	r.make(draw, trace)
	return r
}

func newRun(seed uint64, without map[int]bool) *simRun {
	return &simRun{
		seed: seed, without: without, random: rand.New(rand.NewPCG(seed, 1)), keys: map[uint32]bool{}, nonces: map[string]bool{},
	}
}

// add adds a peer.
func (r *simRun) add() *simPeer {
	id := len(r.peers)
	r.peers = append(r.peers, &simPeer{run: r, id: id, random: rand.New(rand.NewPCG(r.seed, uint64(100+id)))})
	return r.peers[id]
}

// make makes the server and the world.
func (r *simRun) make(draw *rand.Rand, trace func(string)) {
	r.configure(draw)
	loops := 1 + draw.IntN(3)
	r.faults = sim.RandomFaults(draw)
	r.world = sim.New(sim.Options{
		Seed: r.seed, Loops: loops, Faults: r.faults, Trace: trace,
		SendBuffer: 1 << (10 + draw.IntN(7)), ReceiveBuffer: 1 << (10 + draw.IntN(7)),
		Main: func(*sim.World) { r.main() },
	})
}

// configure draws the server's limits.
func (r *simRun) configure(draw *rand.Rand) {
	r.server = &Server{
		MaxMessageBytes:  64 << 10,
		HandshakeTimeout: time.Minute, CloseTimeout: 10 * time.Second, PingInterval: 20 * time.Second,
		WriteTimeout: 30 * time.Second,
		Logger:       slog.New(slog.DiscardHandler),
		Events:       r.events(r.peerOf),
	}
	r.server.Events.Upgrade = r.upgrade
	r.server.Deflate = drawDeflate(draw)
	direct := []int{16, 200, 2000, directBytes}[draw.IntN(4)]
	r.server.tune = func(o *options) { o.directBytes = direct }
	if draw.IntN(3) == 0 {
		r.server.Workers = 1 + draw.IntN(3)
	}
	if draw.IntN(2) == 0 {
		r.server.MaxInFlight, r.server.MaxInFlightBytes = 1, 1+draw.IntN(2000)
	}
	if !r.anyVanishes() && draw.IntN(2) == 0 {
		r.server.PingInterval = time.Hour // so that no ping sets going what got stuck
	}
	if draw.IntN(3) == 0 {
		r.tight = true
		r.server.MaxMemoryBytes = minMemoryBytes
		r.server.MaxBufferedBytes = []int{4 << 10, 2 * commitBytes, 3 * commitBytes}[draw.IntN(3)]
		r.server.MaxConnections = 3
		r.server.Overflow.Policy = OverflowPolicy(draw.IntN(4))
		r.server.MessageRate = Rate{PerSecond: 20, Burst: 5}
		r.server.OnRate = RatePolicy(draw.IntN(2))
		r.server.MaxLifetime = 20 * time.Second
	}
}

// anyVanishes says whether pings are needed to find out who is still there.
func (r *simRun) anyVanishes() bool {
	return slices.ContainsFunc(r.peers, func(c *simPeer) bool { return c.script[len(c.script)-1].kind == actVanish })
}

// play runs it, and returns what the model objects to.
func (r *simRun) play() (problem string) {
	defer func() {
		if v := recover(); v != nil {
			problem = fmt.Sprintf("panic: %v", v)
		}
	}()
	if err := r.server.ServeDriver(r.world.Driver()); err != ErrServerClosed {
		return fmt.Sprintf("ServeDriver: %v", err)
	}
	return r.judge()
}

// main is the script of the world: everybody comes, acts and goes.
func (r *simRun) main() {
	w := r.world
	w.OnDial(r.reached)
	if r.shutAt > 0 {
		w.After(r.shutAt, func() {
			r.shut = true
			r.server.stopAccepting(context.Background())
		})
	}
	for _, c := range r.peers {
		if !r.without[c.id] {
			w.After(c.comes(), c.start)
		}
	}
	r.advance(10 * time.Second)
	w.Calm()
	r.advance(2 * time.Minute)
	for _, c := range r.peers {
		if c.vanished && c.closes < c.opens {
			r.complain("peer %d: it vanished two minutes ago and is still waited for", c.id)
		}
		c.leave()
	}
	r.advance(3 * time.Minute)
	r.judgeEnd()
}

// judgeEnd looks at what the server holds when all have gone.
func (r *simRun) judgeEnd() {
	if n := r.server.Stats().Connections; n != 0 {
		r.complain("%d connections are left", n)
	}
	opened := 0
	for _, c := range r.peers {
		if c.dial != nil {
			c.dial.stale()
			opened += c.opens
		}
	}
	if n := r.server.Stats().Dials; n != uint64(opened) {
		r.complain("%d dials are counted, and %d connections opened", n, opened)
	}
	held := r.server.Stats().Memory
	for _, l := range r.server.loops {
		held -= int64(l.outbox.metered + l.flushing.metered + cap(l.inflated)) // which loops keep
	}
	if held != 0 {
		r.complain("%d bytes are held when all have gone", held)
	}
}

// advance lets time pass and looks at what is held on the way.
func (r *simRun) advance(d time.Duration) {
	for range d / (100 * time.Millisecond) {
		r.world.Advance(100 * time.Millisecond)
		if s := r.server.Stats(); s.Memory > s.MaxMemory {
			r.complain("%d bytes are held, %d allowed", s.Memory, s.MaxMemory)
		}
	}
}

// late says that the clock may have jumped over a CloseTimeout, which begins with the engine's Close frame or the peer's FIN: what was on
// its way then, as that Close frame or the last echo, came too late.
func (r *simRun) late() bool { return r.faults.ClockJump > 0 && r.server.Stats().CloseTimeouts > 0 }

func (r *simRun) complain(format string, args ...any) {
	if r.trouble == "" {
		r.trouble = fmt.Sprintf(format, args...)
	}
}

// judge says what is wrong with the run.
func (r *simRun) judge() string {
	if r.trouble != "" {
		return r.trouble
	}
	for _, c := range r.peers {
		if r.without[c.id] {
			continue
		}
		if problem := c.judge(); problem != "" {
			return fmt.Sprintf("%s %d: %s", c.kind(), c.id, problem)
		}
	}
	return ""
}

func (c *simPeer) judge() string {
	good := c.path != "/wild" && !c.ill && !c.run.tight && !c.run.shut && c.upgraded
	if c.script[len(c.script)-1].kind >= actGarbage && c.run.late() {
		good = false
	}
	if c.dial != nil {
		if problem := c.dial.judge(); problem != "" && c.problem == "" {
			return problem
		}
		good = good && c.dial.steady()
	}
	switch {
	case c.problem != "":
		return c.problem
	case c.opens > 1 || c.opens != c.closes:
		return fmt.Sprintf("%d calls of Open, %d of Close", c.opens, c.closes)
	case c.upgraded && c.opens != 1 && c.dial == nil:
		return "answered 101, and Open was not called"
	case good && c.echoed != len(c.sent):
		return fmt.Sprintf("%d of %d messages were echoed", c.echoed, len(c.sent))
	case good && c.answered != c.pings:
		return fmt.Sprintf("%d of %d pings were answered", c.answered, c.pings)
	case good && !c.finSent && c.code != int(codec.StatusNormalClosure):
		return fmt.Sprintf("closed with %d", c.code)
	case good && c.received != len(c.sent):
		return fmt.Sprintf("%d of %d messages were received", c.received, len(c.sent))
	case good && c.end == nil && (c.dial == nil || !c.dial.hungUp):
		return "the connection did not end"
	}
	return ""
}
