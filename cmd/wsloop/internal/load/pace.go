package load

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// A schedule says when messages or attempts are due, whatever became of those before.
type schedule struct {
	start  int64   // of the first round
	round  float64 // nanoseconds
	phases []int64 // of the places within a round, ascending
}

// evenly spreads a rate per second over time.
func evenly(start int64, rate float64) schedule {
	return schedule{start, float64(time.Second) / rate, []int64{0}}
}

// scattered has n places with a rate of their own each, at random phases.
func scattered(start int64, rate float64, n int) schedule {
	s := schedule{start: start, round: float64(time.Second) / rate, phases: make([]int64, n)}
	for i := range s.phases {
		s.phases[i] = int64(rand.Float64() * s.round)
	}
	slices.SortFunc(s.phases, cmp.Compare)
	return s
}

// due is when the kth is due, counted from 0.
func (s *schedule) due(k int) int64 {
	n := len(s.phases)
	return s.start + int64(float64(k/n)*s.round) + s.phases[k%n]
}

// A pacer sends what is due on connections that take turns. It has a goroutine of its own.
type pacer struct {
	worker   *Worker
	schedule schedule
	clients  []*client
	until    atomic.Int64 // what is due from here on is not sent
	next     int          // the first that was not sent; read when done is closed
	done     chan struct{}
}

// startPacer begins to send.
func startPacer(w *Worker, s schedule, clients []*client) *pacer {
	p := &pacer{worker: w, schedule: s, clients: clients, done: make(chan struct{})}
	p.until.Store(math.MaxInt64)
	go p.run()
	return p
}

// stop sends what is still due before now, for as long as it has patience with that, and counts the rest.
func (p *pacer) stop(now int64, patience time.Duration) {
	p.until.Store(now)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.until.Store(math.MinInt64)
		<-p.done
	}
	for k := p.next; p.schedule.due(k) < now; k++ {
		p.clients[k%len(p.clients)].lane.unsent(p.schedule.due(k))
	}
}

// unsent counts a message that was due and never sent, because the generator was too slow.
func (l *lane) unsent(due int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if due >= l.from {
		l.record(stamp{due, math.MinInt64}, l.worker.now())
		l.tally.fail(causeUnsent, 1)
	}
}

func (p *pacer) run() {
	defer close(p.done)
	for k := 0; ; k++ {
		p.next = k
		due := p.schedule.due(k)
		now := p.worker.now()
		for now < due && due < p.until.Load() {
			pause(min(nanos(now, due), longestPause))
			now = p.worker.now()
		}
		if due >= p.until.Load() {
			return
		}
		c := p.clients[k%len(p.clients)]
		l := c.lane
		l.mu.Lock()
		now = p.worker.now() // whoever had the lock was not waited for by choice
		if due >= l.from {
			l.tally.slip.Record(nanos(due, now))
		}
		l.send(c, due, now)
		l.mu.Unlock()
	}
}

// longestPause is the longest that a pacer may take to notice that it is to stop.
const longestPause = 10 * time.Millisecond

// await waits until the clock is at due, or ctx ends, and says whether that is not so.
func (w *Worker) await(ctx context.Context, due int64) bool {
	for now := w.now(); now < due; now = w.now() {
		if ctx.Err() != nil {
			return false
		}
		pause(min(nanos(now, due), longestPause))
	}
	return ctx.Err() == nil
}
