package load

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Worker runs its share of the connections in this process. Its methods are for one goroutine, in this order: Connect, Begin,
// Measure, End, Drain, Report; Sample may be called on another one, and Close at any time, last.
type Worker struct {
	config     Config
	message    message
	broadcasts bool
	scheduled  bool // messages have times of their own
	start      time.Time
	wall       int64 // Unix time of start, in nanoseconds
	lanes      []*lane
	slots      chan struct{} // taken by attempts on their way

	opened, reached           atomic.Int64 // connections that are open, and the most that were
	firstAttempt, lastOutcome atomic.Int64

	pacer      *pacer
	stopChurn  context.CancelFunc
	churned    chan struct{} // closed when no more lives begin
	lives      schedule      // of churn; read once that is so
	begun      int           // how many of them began
	starved    bool          // nobody was free for the next
	free       chan struct{} // says that a client may have become free
	turn       int           // of the lanes, in churn
	began      int64         // of the measurement
	ended      int64
	cpuAt      time.Duration // processor time of this process when it began
	cpu        time.Duration
	senderLane *lane // of a broadcast, if it is of this share

	mu     sync.Mutex // guards what follows
	second tally      // since the last Sample
	total  tally
	phase  phase
	series []Sample
}

// phase is how far a run is. Counters of messages are those of the measurement.
type phase uint8

const (
	before phase = iota
	measuring
	after
)

// NewWorker starts the loops for a complete Config and resolves its targets; ctx bounds that. Nothing connects yet.
func NewWorker(ctx context.Context, c Config) (*Worker, error) {
	w := &Worker{
		config: c, message: newMessage(&c), broadcasts: c.broadcasts(), start: time.Now(),
		slots: make(chan struct{}, c.Pending), free: make(chan struct{}, 1), churned: make(chan struct{}),
	}
	w.scheduled = !c.closedLoop() || c.Scenario == Churn && c.ConnectRate > 0
	w.wall = w.start.UnixNano()
	for i := range c.Loops {
		l, err := newLane(ctx, w, i)
		if err != nil {
			w.Close()
			return nil, err
		}
		w.lanes = append(w.lanes, l)
	}
	return w, nil
}

func (w *Worker) now() int64 { return int64(time.Since(w.start)) }

func (w *Worker) churns() bool { return w.config.Scenario == Churn }

// acquire takes a slot for an attempt, unless ctx ends first.
func (w *Worker) acquire(ctx context.Context) bool {
	select {
	case w.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (w *Worker) release() { <-w.slots }

// opens counts a connection.
func (w *Worker) opens() {
	n := w.opened.Add(1)
	for most := w.reached.Load(); n > most; most = w.reached.Load() {
		if w.reached.CompareAndSwap(most, n) {
			return
		}
	}
}

func (w *Worker) closed() { w.opened.Add(-1) }

// errNoConnection says that a run is pointless.
var errNoConnection = errors.New("no connection was opened")

// Connect opens the connections and waits for the outcome of each. In churn there is nothing to open yet. Its error is that
// of ctx, or that there is none at all; Report says why.
func (w *Worker) Connect(ctx context.Context) error {
	if w.churns() {
		return nil
	}
	pace := evenly(w.now(), max(w.config.ConnectRate, 1))
	for k := range w.config.Connections {
		if w.config.ConnectRate > 0 && !w.await(ctx, pace.due(k)) || !w.acquire(ctx) {
			return ctx.Err()
		}
		l := w.lanes[k%len(w.lanes)]
		l.dial(&l.clients[k/len(w.lanes)], w.config.First+k, w.now())
	}
	// Whoever has all slots knows that no attempt is on its way.
	for i := range cap(w.slots) {
		if !w.acquire(ctx) {
			for range i {
				w.release()
			}
			return ctx.Err()
		}
	}
	for range cap(w.slots) {
		w.release()
	}
	if w.opened.Load() == 0 && w.config.Connections > 0 {
		return errNoConnection
	}
	return nil
}

// Begin begins to send; nothing is measured yet.
func (w *Worker) Begin() {
	if w.churns() {
		ctx, cancel := context.WithCancel(context.Background())
		w.stopChurn = cancel
		go w.churn(ctx)
		return
	}
	clients := w.active()
	switch {
	case len(clients) == 0:
	case w.config.closedLoop():
		w.fill(clients)
	case w.config.RatePerConn > 0:
		w.pacer = startPacer(w, scattered(w.now(), w.config.RatePerConn, len(clients)), clients)
	case w.config.Rate > 0:
		w.pacer = startPacer(w, evenly(w.now(), w.config.Rate), clients)
	}
}

// active draws the connections that send.
func (w *Worker) active() []*client {
	var all []*client
	for _, l := range w.lanes {
		l.mu.Lock()
		for i := range l.clients {
			if c := &l.clients[i]; c.state == open && !c.slow {
				all = append(all, c)
			}
		}
		l.mu.Unlock()
	}
	if w.broadcasts {
		if w.config.First > 0 || len(all) == 0 {
			return nil
		}
		w.senderLane = all[0].lane
		return all[:1]
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:w.config.activeOf(len(all))]
}

// fill sends the first message of each connection in a closed loop. Its answer brings the others: sent here, they would
// leave one by one, and stay apart.
func (w *Worker) fill(clients []*client) {
	for _, l := range w.lanes {
		l.mu.Lock()
		l.sending = true
		l.mu.Unlock()
	}
	for _, c := range clients {
		c.lane.mu.Lock()
		now := w.now()
		c.lane.send(c, now, now)
		c.lane.mu.Unlock()
	}
}

// Measure begins the measurement: what is due from now on counts.
func (w *Worker) Measure() {
	w.cpuAt = processorTime()
	w.began = w.enter(measuring, func(l *lane, now int64) { l.from = now })
}

// End ends the measurement and the sending. What was due is sent first, if that takes no longer than a drain; what is
// left counts as an error, with the time that it waited.
func (w *Worker) End() {
	if w.pacer != nil {
		w.pacer.stop(w.now(), w.config.Drain)
	}
	if w.stopChurn != nil {
		w.stopChurn()
		<-w.churned
	}
	w.ended = w.enter(after, func(l *lane, _ int64) { l.sending = false })
	w.cpu = processorTime() - w.cpuAt
}

// enter changes the phase of all lanes at one time, which it returns.
func (w *Worker) enter(p phase, change func(l *lane, now int64)) (now int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.lanes {
		l.mu.Lock()
	}
	now = w.now()
	taken := make([]*tally, len(w.lanes))
	for i, l := range w.lanes {
		taken[i] = l.take()
		change(l, now)
		l.mu.Unlock()
	}
	for i, l := range w.lanes {
		w.count(taken[i])
		l.giveBack(taken[i])
	}
	w.phase = p
	return now
}

// drainStep is how often a drain looks whether it is done.
const drainStep = 2 * time.Millisecond

// Drain waits for answers, gives up those that do not come in time, and closes the connections with 1000. It takes
// twice Config.Drain at most. The end of ctx ends both waits.
func (w *Worker) Drain(ctx context.Context) {
	w.settle(ctx, func() bool { return w.waiting() == 0 && !w.lacks() })
	now := w.now()
	for _, l := range w.lanes {
		l.giveUp(now)
	}
	for _, l := range w.lanes {
		if w.senderLane != nil {
			l.missing(w.senderLane, now)
		}
		l.mu.Lock()
		for i := range l.clients {
			l.close(&l.clients[i])
		}
		l.mu.Unlock()
	}
	w.settle(ctx, func() bool { return w.opened.Load() == 0 })
	w.Close()
}

// settle waits until something is so, for Config.Drain at most.
func (w *Worker) settle(ctx context.Context, so func() bool) {
	ctx, cancel := context.WithTimeout(ctx, w.config.Drain)
	defer cancel()
	for !so() && ctx.Err() == nil {
		pause(drainStep)
	}
}

// waiting is the number of messages, or in churn of lives, that have not come to their end.
func (w *Worker) waiting() (n int) {
	for _, l := range w.lanes {
		l.mu.Lock()
		n += l.waiting
		l.mu.Unlock()
	}
	return n
}

// lacks says whether a reader has not received all broadcasts. Only the worker that sends them knows.
func (w *Worker) lacks() bool {
	return w.senderLane != nil && slices.ContainsFunc(w.lanes, func(l *lane) bool { return l.lacks(w.senderLane) })
}

// Close ends everything at once.
func (w *Worker) Close() {
	if w.stopChurn != nil {
		w.stopChurn()
	}
	if w.pacer != nil {
		w.pacer.until.Store(math.MinInt64)
	}
	for _, l := range w.lanes {
		l.server.Close()
	}
}
