//go:build linux || darwin || freebsd

package engine

import (
	"flag"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller/sim"
)

var (
	simSeed  = flag.Uint64("seed", 0, "run this seed of TestSimulation alone, and print its trace with -v")
	simSeeds = flag.Int("seeds", 500, "number of seeds that TestSimulation runs")
)

// TestSimulation runs servers over a simulated system, with scripted clients and faults, and holds a model against
// each. A failure names its seed and the clients that it takes.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		if problem := newSimRun(*simSeed, nil, func(line string) { t.Log(line) }).play(); problem != "" {
			t.Error(problem)
		}
		return
	}
	seeds := *simSeeds
	if testing.Short() {
		seeds /= 5
	}
	for seed := uint64(1); seed <= uint64(seeds); seed++ {
		if problem := newSimRun(seed, nil, nil).play(); problem != "" {
			t.Fatalf("%s\nrepeat it with: go test ./engine -run 'TestSimulation$' -seed %d -v\n%s", problem, seed, shorten(seed))
		}
	}
}

// The same seed gives the same run.
func TestSimulationRepeats(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		var sums [2]uint64
		for i := range sums {
			h := fnv.New64()
			newSimRun(seed, nil, func(line string) { fmt.Fprintln(h, line) }).play()
			sums[i] = h.Sum64()
		}
		if sums[0] != sums[1] {
			t.Errorf("seed %d gave two different runs", seed)
		}
	}
}

// shorten leaves clients out as long as the run still fails, and shows what is left.
func shorten(seed uint64) string {
	left := map[int]bool{}
	problem := ""
	for id := range newSimRun(seed, nil, nil).clients {
		left[id] = true
		if p := newSimRun(seed, left, nil).play(); p == "" {
			delete(left, id)
		} else {
			problem = p
		}
	}
	r := newSimRun(seed, left, nil)
	lines := []string{"without the other clients: " + problem}
	for _, c := range r.clients {
		if !left[c.id] {
			lines = append(lines, c.String())
		}
	}
	return strings.Join(lines, "\n")
}

// simRun is a server, a world and the clients in it.
type simRun struct {
	seed    uint64
	without map[int]bool // clients that are left out
	random  *rand.Rand   // of the server's callbacks
	server  *Server
	world   *sim.World
	clients []*simClient
	tight   bool // limits are so low that good clients may lose their connection
	trouble string
}

func newSimRun(seed uint64, without map[int]bool, trace func(string)) *simRun {
	r := &simRun{seed: seed, without: without, random: rand.New(rand.NewPCG(seed, 1))}
	draw := rand.New(rand.NewPCG(seed, 2))
	for id := range 1 + draw.IntN(6) {
		c := &simClient{run: r, id: id, random: rand.New(rand.NewPCG(seed, uint64(100+id)))}
		c.draw()
		r.clients = append(r.clients, c)
	}
	r.configure(draw)
	r.world = sim.New(sim.Options{
		Seed: seed, Loops: 1 + draw.IntN(3), Faults: sim.RandomFaults(draw), Trace: trace,
		SendBuffer: 1 << (10 + draw.IntN(7)), ReceiveBuffer: 1 << (10 + draw.IntN(7)),
		Main: func(*sim.World) { r.main() },
	})
	return r
}

// configure draws the server's limits.
func (r *simRun) configure(draw *rand.Rand) {
	r.server = &Server{
		MaxMessageBytes:  64 << 10,
		HandshakeTimeout: time.Minute, CloseTimeout: 10 * time.Second, PingInterval: 20 * time.Second,
		WriteTimeout: 30 * time.Second,
		Logger:       slog.New(slog.DiscardHandler),
		Events: Events{
			Upgrade: r.upgrade, Open: r.opened, Message: r.message, Close: r.closed,
			Ping: func(c Conn, _ []byte) { r.alive(c) }, Pong: func(c Conn, _ []byte) { r.alive(c) },
			Drained: func(c Conn) { r.alive(c) },
		},
	}
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
	return slices.ContainsFunc(r.clients, func(c *simClient) bool { return c.script[len(c.script)-1].kind == actVanish })
}

// play runs it, and returns what the model objects to.
func (r *simRun) play() (problem string) {
	defer func() {
		if v := recover(); v != nil {
			problem = fmt.Sprintf("panic: %v", v)
		}
	}()
	if err := r.server.ServeDriver(r.world); err != ErrServerClosed {
		return fmt.Sprintf("ServeDriver: %v", err)
	}
	return r.judge()
}

// main is the script of the world: everybody comes, acts and goes.
func (r *simRun) main() {
	w := r.world
	for _, c := range r.clients {
		if !r.without[c.id] {
			w.After(time.Duration(c.random.IntN(4000))*time.Millisecond, c.start)
		}
	}
	r.advance(10 * time.Second)
	w.Calm()
	r.advance(2 * time.Minute)
	for _, c := range r.clients {
		if c.vanished && c.closes < c.opens {
			r.complain("client %d: it vanished two minutes ago and is still waited for", c.id)
		}
		c.leave()
	}
	r.advance(3 * time.Minute)
	if n := r.server.Stats().Connections; n != 0 {
		r.complain("%d connections are left", n)
	}
	held := r.server.Stats().Memory
	for _, l := range r.server.loops {
		held -= int64(l.outbox.metered + l.flushing.metered) // which loops keep
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
	for _, c := range r.clients {
		if r.without[c.id] {
			continue
		}
		if problem := c.judge(); problem != "" {
			return fmt.Sprintf("client %d: %s", c.id, problem)
		}
	}
	return ""
}

func (c *simClient) judge() string {
	good := c.path != "/wild" && !c.ill && !c.run.tight && c.upgraded
	switch {
	case c.problem != "":
		return c.problem
	case c.opens > 1 || c.opens != c.closes:
		return fmt.Sprintf("%d calls of Open, %d of Close", c.opens, c.closes)
	case c.upgraded && c.opens != 1:
		return "answered 101, and Open was not called"
	case good && c.echoed != len(c.sent):
		return fmt.Sprintf("%d of %d messages were echoed", c.echoed, len(c.sent))
	case good && c.answered != c.pings:
		return fmt.Sprintf("%d of %d pings were answered", c.answered, c.pings)
	case good && !c.finSent && c.code != int(codec.StatusNormalClosure):
		return fmt.Sprintf("closed with %d", c.code)
	case good && c.received != len(c.sent):
		return fmt.Sprintf("%d of %d messages were received", c.received, len(c.sent))
	case good && c.end == nil:
		return "the connection did not end"
	}
	return ""
}

func (r *simRun) upgrade(c Conn, q *handshake.Request, _ *handshake.Response) {
	id, err := strconv.Atoi(string(q.Query()))
	if err != nil {
		r.complain("query %q", q.Query())
		return
	}
	c.SetData(r.clients[id])
}

func (r *simRun) opened(c Conn) {
	client := r.alive(c)
	client.opens++
	client.conn = c
}

// alive checks that a callback does not come before Open or after Close.
func (r *simRun) alive(c Conn) *simClient {
	client, _ := c.Data().(*simClient)
	if client == nil {
		r.complain("a callback without its data")
		return &simClient{}
	}
	if client.closes > 0 {
		r.complain("client %d: a callback after Close", client.id)
	}
	return client
}

func (r *simRun) closed(c Conn, _ Closure) {
	client := r.alive(c)
	if client.opens != 1 {
		r.complain("client %d: Close without Open", client.id)
	}
	client.closes++
}

func (r *simRun) message(c Conn, op codec.Opcode, payload []byte) {
	client := r.alive(c)
	client.received += client.copies()
	if client.opens != 1 {
		r.complain("client %d: a message before Open", client.id)
	}
	switch client.path {
	case "/echo", "/many":
		for range client.copies() {
			_, _ = c.Send(op, payload)
		}
	case "/fragments":
		r.sendFragments(c, op, payload)
	case "/wild":
		r.wild(c, client, op, payload)
	}
}

// sendFragments echoes in three fragments. Where there is no room for all of them, the connection is given up: the message
// cannot be taken back.
func (r *simRun) sendFragments(c Conn, op codec.Opcode, payload []byte) {
	w, err := c.NewWriter(op)
	if err != nil {
		return
	}
	half := len(payload) / 2
	for _, p := range [][]byte{payload[:half], payload[half:]} {
		if _, err := w.Write(p); err != nil {
			c.Abort()
			return
		}
	}
	if w.Close() != nil {
		c.Abort()
	}
}

// wild does what callbacks do on a bad day.
func (r *simRun) wild(c Conn, client *simClient, op codec.Opcode, payload []byte) {
	if client.paused {
		client.early++
	}
	switch r.random.IntN(14) {
	case 0:
		panic("a callback panics")
	case 1:
		_ = c.Close(codec.StatusGoingAway, "")
		if c.Ping(nil) == nil {
			r.complain("client %d: Ping after a Close frame", client.id)
		}
	case 2:
		c.Abort()
	case 3, 4:
		r.pause(c, client)
	case 5:
		_ = c.SetOverflow(Overflow{Policy: OverflowPolicy(r.random.IntN(4)), TTL: time.Duration(r.random.IntN(2)) * time.Second})
	case 6, 9, 10:
		r.burst(c, op)
	case 7:
		r.world.After(time.Duration(r.random.IntN(5000))*time.Millisecond, func() { r.sendLate(c, client) })
	case 8:
		for range 2 {
			for _, to := range r.clients {
				_, _ = to.conn.SendText(to.address())
			}
		}
	default:
		_, _ = c.Send(op, payload)
		_ = c.Ping(nil)
	}
}

// pause pauses a connection for a while. What is held back comes after Resume, or when the connection ends.
func (r *simRun) pause(c Conn, client *simClient) {
	c.Pause()
	client.paused = true
	r.world.After(time.Duration(r.random.IntN(2000))*time.Millisecond, func() {
		if client.early > 0 && client.closes == 0 {
			r.complain("client %d: %d messages while it was paused", client.id, client.early)
		}
		client.paused = false
		c.Resume()
	})
}

// burst sends more than may wait, and among what waits a message in fragments.
func (r *simRun) burst(c Conn, op codec.Opcode) {
	payload := make([]byte, 5000+r.random.IntN(15_000))
	begin := commitBytes/len(payload) + 1
	for i := range begin + r.random.IntN(12) {
		if i == begin {
			r.sendFragments(c, op, payload)
		}
		_, _ = c.SendWith(op, payload, Delivery{Key: strconv.Itoa(i % 3)})
	}
}

// sendLate sends from outside, when the connection may be gone and its slot another's.
func (r *simRun) sendLate(c Conn, client *simClient) {
	_, err := c.Send(codec.OpcodeBinary, []byte("late"))
	if (err == nil || c.Ping(nil) == nil) && client.closes > 0 {
		r.complain("client %d: Send or Ping after Close", client.id)
	}
}
