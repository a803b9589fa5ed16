package load

import (
	"context"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// A server that stands still for 300 ms of some 2 s holds up the messages of that time: 15 % of all, and the corrected latency shows
// it. A tool that waits for answers has one late message per connection: here ten of 2,000, and the uncorrected p95 shows nothing. What is
// compared holds on a slow machine, too, as long as that does not hold up most messages by itself.
func TestStallShows(t *testing.T) {
	t.Parallel()
	const stall = 300 * time.Millisecond
	var n counter
	s := echoServer()
	s.SlowCallback = engine.Never
	s.Events.Message = func(c engine.Conn, op codec.Opcode, payload []byte) {
		if n.Add(1) == 1000 {
			time.Sleep(stall)
		}
		echo(c, op, payload)
	}
	c := small(serve(t, s))
	c.Rate, c.Duration = 1000, 2*time.Second
	r := run(t, c)
	noErrors(t, r)
	h := r.Latency.Corrected
	// Of the 15 % half waited for more than half of the stall, so 5 % waited for a third of it at least.
	if h.Quantile(0.95) < stall/3 {
		t.Errorf("p95 %v does not show a stall of %v", h.Quantile(0.95), stall)
	}
	if h.Max() < stall*9/10 {
		t.Errorf("the longest latency is %v", h.Max())
	}
	if u := r.Latency.Uncorrected; u.Quantile(0.95) >= h.Quantile(0.95)/2 || u.Max() < stall*9/10 {
		t.Errorf("uncorrected p95 %v beside %v, the longest %v", u.Quantile(0.95), h.Quantile(0.95), u.Max())
	}
}

// The generator stands still: nobody sends for 300 ms, and then all at once. Each message was late, and how long it was on
// its way is another matter: only the corrected latency tells, and the slip says whose fault it is. The lane's lock is what the
// pacer needs, so holding it stands for any reason that a generator may have. What is checked holds on a slow machine, too: the longest
// lateness has a lower bound, and the two means differ by the mean slip at least, because each message's latencies differ by its own.
func TestSlipIsPartOfTheLatency(t *testing.T) {
	t.Parallel()
	const stall = 300 * time.Millisecond
	c := small(serve(t, echoServer()))
	c.Rate = 1000
	w := connected(t, c)
	w.Begin()
	w.Measure()
	w.lanes[0].mu.Lock()
	wait(t.Context(), stall)
	w.lanes[0].mu.Unlock()
	w.End()
	w.Drain(context.Background())
	r := w.Report(nil)
	noErrors(t, r)
	corrected, uncorrected, slip := r.Latency.Corrected, r.Latency.Uncorrected, r.Generator.Slip
	if corrected.Max() < stall*9/10 || slip.Max() < stall*9/10 {
		t.Errorf("corrected %v at most, slip %v", corrected.Max(), slip.Max())
	}
	if differ := corrected.Mean() - uncorrected.Mean(); differ < stall/100 || differ < slip.Mean()-time.Microsecond {
		t.Errorf("corrected %v, uncorrected %v, slip %v in the mean", corrected.Mean(), uncorrected.Mean(), slip.Mean())
	}
	if len(r.Generator.Warnings) == 0 {
		t.Error("no warning")
	}
}

// A server that stops to answer, and never does again, cannot hide: what it owes counts.
func TestUnansweredCount(t *testing.T) {
	t.Parallel()
	s := echoServer()
	s.Events.Message = nil
	url := serve(t, s)
	for name, change := range map[string]func(c *Config){
		"open loop": func(c *Config) { c.Rate = 1000 },
		"churn":     func(c *Config) { c.Scenario, c.ConnectRate = Churn, 100 },
	} {
		c := small(url)
		change(&c)
		c.Warmup, c.Drain = 0, 100*time.Millisecond
		r := run(t, c)
		n := r.Errors[causeUnanswered] + r.Errors[causeUnsent] // of which there are some if the machine does not get that far
		if n != r.Latency.Corrected.Count() {
			t.Errorf("%s: %d unanswered, %d latencies", name, n, r.Latency.Corrected.Count())
		}
		delete(r.Errors, causeUnsent)
		onlyError(t, r, causeUnanswered)
		if r.Latency.Corrected.Min() < c.Drain {
			t.Errorf("%s: one waited %v, and the drain alone took longer", name, r.Latency.Corrected.Min())
		}
	}
}

// In a closed loop it owes what each connection has on its way.
func TestUnansweredInClosedLoop(t *testing.T) {
	t.Parallel()
	var n counter
	s := echoServer()
	measured := make(chan struct{})
	s.Events.Message = func(c engine.Conn, op codec.Opcode, payload []byte) {
		select {
		case <-measured: // what comes from now on is not answered
			n.Add(1)
		default:
			echo(c, op, payload)
		}
	}
	c := small(serve(t, s))
	c.Outstanding, c.Drain = 4, 100*time.Millisecond
	w := connected(t, c)
	w.Begin()
	w.Measure()
	eventually(t, "an answer", func() bool { return w.Sample().Received > 0 })
	close(measured)
	eventually(t, "all to wait", func() bool { return n.Load() > 0 && n.Load() == int64(w.waiting()) })
	w.End()
	w.Drain(context.Background())
	r := w.Report(nil)
	onlyError(t, r, causeUnanswered)
	if got := r.Errors[causeUnanswered]; got == 0 || got > 40 {
		t.Errorf("%d unanswered", got)
	}
}

// In churn with a rate, lives for which nobody was free count with the time that they waited.
func TestStarvedChurn(t *testing.T) {
	t.Parallel()
	s := echoServer()
	s.Events.Message = nil
	c := small(serve(t, s))
	c.Scenario, c.Connections, c.ConnectRate = Churn, 1, 200
	c.Warmup, c.Duration, c.Drain = 0, 500*time.Millisecond, 100*time.Millisecond
	r := run(t, c)
	onlyError(t, r, causeUnanswered)
	if n := r.Latency.Corrected.Count(); n < 80 || r.Connect.Attempted > 2 {
		t.Errorf("%d latencies of about 100 lives; %d attempts", n, r.Connect.Attempted)
	}
}

// What a generator that is too slow has not sent when its patience is over counts, too.
func TestUnsentCount(t *testing.T) {
	t.Parallel()
	c := small(serve(t, echoServer()))
	c.Rate, c.Drain = 1000, time.Second
	w := connected(t, c)
	w.Begin()
	w.Measure()
	w.lanes[0].mu.Lock()
	wait(t.Context(), 200*time.Millisecond)
	go func() {
		for w.pacer.until.Load() != math.MinInt64 {
			runtime.Gosched()
		}
		w.lanes[0].mu.Unlock()
	}()
	w.config.Drain = time.Millisecond
	w.End()
	w.config.Drain = time.Second
	w.Drain(context.Background())
	r := w.Report(nil)
	unsent := r.Errors[causeUnsent]
	if unsent < 100 || r.Latency.Corrected.Count() < unsent || r.Latency.Corrected.Max() < 150*time.Millisecond {
		t.Errorf("%d not sent, %d sent, %d latencies up to %v", unsent, r.Messages.Sent, r.Latency.Corrected.Count(), r.Latency.Corrected.Max())
	}
}
