package load

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/report"
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// The end of the context is Ctrl-C: in any phase it leads to a drain and a report.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var once sync.Once
	var normal counter
	s := echoServer()
	s.Events.Message = func(c engine.Conn, op codec.Opcode, payload []byte) {
		echo(c, op, payload)
		once.Do(cancel)
	}
	s.Events.Close = func(_ engine.Conn, how engine.Closure) {
		if how.Code == codec.StatusNormalClosure {
			normal.Add(1)
		}
	}
	url := serve(t, s)
	c := small(url)
	c.Warmup, c.Duration = 0, time.Hour
	r := runUntil(t, ctx, c)
	noErrors(t, r)
	if r.Connect.Opened != 10 || r.Messages.Duration > patience {
		t.Errorf("%+v %+v", r.Connect, r.Messages)
	}
	// The server may hear of the end behind us.
	eventually(t, "all connections to be closed with 1000", func() bool { return normal.Load() == 10 })
}

func TestInterruptedWhileConnecting(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(c *Config){
		"rate":    func(c *Config) { c.ConnectRate = 0.001 },
		"pending": func(c *Config) { c.Pending = 1 },
		"none":    func(*Config) {},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		s := echoServer()
		s.Events.Open = func(engine.Conn) { cancel() }
		c := small(serve(t, s))
		c.Connections = 1000
		change(&c)
		if err := c.Complete(); err != nil {
			t.Fatal(err)
		}
		// The server knows of the first connection before we do.
		r, err := Run(ctx, c, nil, nil)
		if err != nil && !errors.Is(err, errNoConnection) || r == nil {
			t.Fatal(err)
		}
		if r.Messages.Sent > 0 || r.Connect.Failed > 0 || r.Connect.Attempted == 0 {
			t.Errorf("%s: %+v %+v", name, r.Connect, r.Messages)
		}
		cancel()
	}
}

// Two shares of one config do together what it says.
func TestShares(t *testing.T) {
	t.Parallel()
	var c Config
	var reports []*report.Report
	url := serve(t, broadcastServer())
	for i := range 2 {
		c = small(url)
		c.Scenario, c.Connections, c.Rate = Broadcast, 5, 100
		if err := c.Complete(); err != nil {
			t.Fatal(err)
		}
		// A share is sent to another process as JSON.
		text, err := json.Marshal(c.Share(i, 2))
		if err != nil {
			t.Fatal(err)
		}
		var share Config
		if err := json.Unmarshal(text, &share); err != nil || !reflect.DeepEqual(share, c.Share(i, 2)) {
			t.Fatalf("%v: %s", err, text)
		}
		r, err := Run(t.Context(), share, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		noErrors(t, r)
		reports = append(reports, r)
	}
	all := report.Merge(reports)
	if all.Settings.Connections != 5 || all.Connect.Opened != 5 || reports[1].Messages.Sent != 0 || reports[0].Messages.Sent == 0 {
		t.Errorf("%+v %+v", all.Settings, all.Connect)
	}
}

func TestShareDivides(t *testing.T) {
	t.Parallel()
	c := Config{URLs: []string{"ws://localhost/"}, Connections: 1003, Rate: 500, ConnectRate: 70, Pending: 3}
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	next, rate, connects := 0, 0.0, 0.0
	for i := range 10 {
		s := c.Share(i, 10)
		if s.First != next || s.Pending < 1 {
			t.Errorf("share %d: %+v", i, s)
		}
		next += s.Connections
		rate += s.Rate
		connects += s.ConnectRate
	}
	if next != 1003 || rate < 499.9 || rate > 500.1 || connects < 69.9 || connects > 70.1 {
		t.Errorf("%d connections, rate %v, connect rate %v", next, rate, connects)
	}
}

func TestSeriesAddsUp(t *testing.T) {
	t.Parallel()
	c := small(serve(t, echoServer()))
	c.Duration = 1100 * time.Millisecond
	r := run(t, c)
	noErrors(t, r)
	var sent, connects, latencies uint64
	last := -1
	for _, s := range r.Series {
		sent += s.Sent
		connects += s.Connects
		latencies += s.Latency.Count()
		if s.T <= last {
			t.Errorf("second %d behind %d", s.T, last)
		}
		last = s.T
	}
	// The seconds have the warm-up and the drain, too.
	if len(r.Series) < 2 || sent < r.Messages.Sent || connects != 10 || latencies < r.Latency.Corrected.Count() {
		t.Errorf("%d seconds, %d sent of %d, %d connects, %d latencies", len(r.Series), sent, r.Messages.Sent, connects, latencies)
	}
}

func TestServerCost(t *testing.T) {
	t.Parallel()
	c := small(serve(t, echoServer()))
	c.ServerPIDs = []int{os.Getpid()}
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), c, nil, nil)
	if runtime.GOOS != "linux" {
		if err == nil || !strings.Contains(err.Error(), "only Linux") {
			t.Error(err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Servers[0]; s.PID != os.Getpid() || s.RSSBefore == 0 || s.RSSAfter == 0 {
		t.Errorf("%+v", s)
	}
	c.ServerPIDs = []int{1 << 30}
	if _, err := Run(t.Context(), c, nil, nil); err == nil || !strings.Contains(err.Error(), "no process") {
		t.Error(err)
	}
}

func TestBadTarget(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://localhost/", "ws://", "ws://localhost:0/"} {
		c := small(url)
		if err := c.Complete(); err != nil {
			t.Fatal(err)
		}
		if r, err := Run(t.Context(), c, nil, nil); err == nil || r != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// A connection that sends nothing costs this, and what the engine needs.
func TestClientIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(client{}); n > 64 {
		t.Errorf("a client has %d bytes", n)
	}
}

// A message costs no allocation. What there is of them in a whole measurement belongs to its seconds.
func TestMessagesDoNotAllocate(t *testing.T) {
	c := small(serve(t, echoServer()))
	c.Outstanding = 8
	w := connected(t, c)
	w.Begin()
	received := func() (n uint64) {
		l := w.lanes[0]
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.tally.received
	}
	eventually(t, "everything to be warm", func() bool { return received() > 10_000 })
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	from := received()
	eventually(t, "messages", func() bool { return received() > from+50_000 })
	runtime.ReadMemStats(&after)
	n := received() - from
	if allocs := after.Mallocs - before.Mallocs; allocs > n/100 {
		t.Errorf("%d allocations, %d messages", allocs, n)
	}
}

func TestLive(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	l := NewLive(&out, 100)
	s := Sample{Causes: map[string]uint64{"a": 1, "b": 5, "c": 2, "d": 7}}
	s.Second = report.Second{T: 4, Open: 50, Connects: 10, Sent: 3, Received: 2, P50: 1234 * time.Microsecond, P99: 2 * time.Second}
	l.Show(s)
	if got, want := out.String(), "   5 s  open 50/100  10 connects/s  out 3/s  in 2/s  d: 7  b: 5  c: 2\n"; got != want {
		t.Errorf("%q\n%q", got, want)
	}
	out.Reset()
	l.terminal = true
	l.Show(s)
	long := len(out.String())
	out.Reset()
	l.causes = nil
	l.Show(Sample{})
	if got := out.String(); len(got) != long || !strings.HasPrefix(got, "\r   1 s  open 0/100  ") {
		t.Errorf("%q does not cover %d", got, long)
	}
	out.Reset()
	l.End()
	if out.String() != "\n" {
		t.Errorf("%q", out.String())
	}
	var none *Live
	none.Show(s)
	none.End()
	for d, want := range map[time.Duration]string{1234567: "1.23ms", 1234: "1.2µs", 1234567890: "1.23s"} {
		if got := rounded(d).String(); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
}

func TestLiveShowsLatencies(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lines")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c := small(serve(t, echoServer()))
	c.Rate = 1000 // what is due is sent and answered, however busy the machine is
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), c, nil, NewLive(file, 10)); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); !strings.Contains(string(text), "  p50 ") || strings.Contains(string(text), "\r") {
		t.Errorf("%q", text)
	}
}

// What has to be said of a generator that was late or used up its processors.
func TestWarnings(t *testing.T) {
	t.Parallel()
	w := &Worker{config: Config{Loops: 1}, ended: int64(time.Second), cpu: 950 * time.Millisecond}
	w.total.slip.Record(2 * time.Millisecond)
	if all := w.warnings(); len(all) != 2 || !strings.Contains(all[0], "2ms") || !strings.Contains(all[1], "processor") {
		t.Errorf("%q", all)
	}
	w = &Worker{config: Config{Loops: 2}, ended: int64(time.Second), cpu: 950 * time.Millisecond}
	w.total.slip.Record(100 * time.Microsecond)
	w.total.corrected.Record(2 * time.Millisecond)
	if all := w.warnings(); len(all) != 0 {
		t.Errorf("%q", all)
	}
	w.total.corrected.RecordN(500*time.Microsecond, 3)
	if all := w.warnings(); len(all) != 1 {
		t.Errorf("%q", all)
	}
}

// A life in churn that the server ends is lost, and the client begins another.
func TestChurnLosesLives(t *testing.T) {
	t.Parallel()
	var n counter
	s := echoServer()
	s.Events.Message = func(c engine.Conn, op codec.Opcode, payload []byte) {
		if n.Add(1)%2 == 0 {
			c.Close(codec.StatusTryAgainLater, "")
			return
		}
		echo(c, op, payload)
	}
	c := small(serve(t, s))
	c.Scenario = Churn
	r := runFor(t, c, "lives that were lost", func(all *Sample) bool { return all.Connects > 20 })
	if r.Connect.Lost == 0 || r.Errors["closed by the server with 1013"] != r.Connect.Lost || r.Connect.Opened <= 10 {
		t.Errorf("%+v %v", r.Connect, r.Errors)
	}
}
