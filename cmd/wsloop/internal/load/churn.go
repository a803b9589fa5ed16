package load

import (
	"context"
	"math"
	"time"
)

// restTime is how often clients that failed begin again in churn.
const restTime = 10 * time.Millisecond

// churn has clients live again and again, until ctx ends. With a rate, each life is due at a time of its own,
// whether a client is free then or not.
func (w *Worker) churn(ctx context.Context) {
	defer close(w.churned)
	for _, l := range w.lanes {
		l.mu.Lock()
		for i := range l.clients {
			l.free = append(l.free, &l.clients[i])
		}
		l.mu.Unlock()
	}
	pace := evenly(w.now(), max(w.config.ConnectRate, 1))
	rest := time.NewTicker(restTime)
	defer rest.Stop()
	ready := w.now()
	for k := 0; ; k++ {
		var due int64
		if w.config.ConnectRate > 0 {
			if due = pace.due(k); !w.await(ctx, due) {
				return
			}
			w.lanes[0].slipped(due, ready)
		}
		c := w.nextFree(ctx, rest.C)
		if c == nil || !w.acquire(ctx) {
			w.lives, w.begun, w.starved = pace, k, due != 0
			return
		}
		ready = w.now() // that nobody was free until now is not the generator's fault
		c.lane.dial(c, w.config.First+k, orElse(due, ready))
	}
}

// slipped counts how late the schedule was looked at by who was ready for it.
func (l *lane) slipped(due, ready int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if due >= l.from {
		l.tally.slip.Record(nanos(max(due, ready), l.worker.now()))
	}
}

// unbegun counts the lives that were due and found nobody free, with the time that they waited. The lock is held.
func (l *lane) unbegun(now int64) {
	w := l.worker
	for k := w.begun; w.starved && w.lives.due(k) < w.ended; k++ {
		l.unanswered(stamp{w.lives.due(k), math.MinInt64}, now)
	}
}

// nextFree waits for a client that is free. It returns nil when ctx has ended.
func (w *Worker) nextFree(ctx context.Context, rested <-chan time.Time) *client {
	for {
		for range w.lanes {
			w.turn++
			if c := w.lanes[w.turn%len(w.lanes)].takeFree(); c != nil {
				return c
			}
		}
		select {
		case <-w.free:
		case <-rested:
			for _, l := range w.lanes {
				l.mu.Lock()
				l.free, l.resting = append(l.free, l.resting...), l.resting[:0]
				l.mu.Unlock()
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (l *lane) takeFree() *client {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.free) - 1
	if last < 0 {
		return nil
	}
	c := l.free[last]
	l.free = l.free[:last]
	return c
}

// wakeChurner says that a client is free.
func (w *Worker) wakeChurner() {
	select {
	case w.free <- struct{}{}:
	default:
	}
}
