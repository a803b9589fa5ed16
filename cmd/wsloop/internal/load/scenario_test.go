package load

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

func TestEchoClosedLoop(t *testing.T) {
	t.Parallel()
	var texts, binaries counter
	s := echoServer()
	s.Events.Message = func(c engine.Conn, op codec.Opcode, payload []byte) {
		if op == codec.OpcodeText {
			texts.Add(1)
		} else {
			binaries.Add(1)
		}
		echo(c, op, payload)
	}
	url := serve(t, s)
	for name, change := range map[string]func(c *Config){
		"one at a time": func(*Config) {},
		"eight":         func(c *Config) { c.Outstanding = 8 },
		"two loops":     func(c *Config) { c.Loops, c.Outstanding = 2, 3 },
		"text":          func(c *Config) { c.Text, c.Size = true, 1000 },
		"fragments":     func(c *Config) { c.Fragments, c.Outstanding = 3, 2 },
		"file":          func(c *Config) { c.Payload = []byte("hello") },
		"empty":         func(c *Config) { c.Payload = []byte{} },
		"large":         func(c *Config) { c.Size, c.Outstanding = 1<<20, 2 },
		"two URLs":      func(c *Config) { c.URLs = append(c.URLs, url+"other?secret") },
		"slowly begun":  func(c *Config) { c.ConnectRate, c.Pending = 1000, 1 },
	} {
		c := small(url)
		change(&c)
		r := runSome(t, c)
		noErrors(t, r)
		if r.Connect.Attempted != 10 || r.Connect.Opened != 10 || r.Connect.Reached != 10 || r.Connect.Lost != 0 {
			t.Errorf("%s: %+v", name, r.Connect)
		}
		if r.Connect.Connecting.Count() != 10 || r.Connect.Handshake.Count() != 10 {
			t.Errorf("%s: %d connected, %d shook hands", name, r.Connect.Connecting.Count(), r.Connect.Handshake.Count())
		}
		m := r.Messages
		if m.Received == 0 || m.ReceivedBytes != m.Received*uint64(r.Settings.PayloadBytes) || m.SentBytes != m.Sent*uint64(r.Settings.PayloadBytes) {
			t.Errorf("%s: %+v", name, m)
		}
		if r.Latency.Corrected.Count() == 0 || r.Latency.Uncorrected != nil {
			t.Errorf("%s: %d latencies", name, r.Latency.Corrected.Count())
		}
	}
	if texts.Load() == 0 || binaries.Load() == 0 {
		t.Errorf("%d texts, %d others", texts.Load(), binaries.Load())
	}
}

func TestEchoOpenLoop(t *testing.T) {
	t.Parallel()
	url := serve(t, echoServer())
	for name, change := range map[string]func(c *Config){
		"together": func(c *Config) { c.Rate = 1000 },
		"each":     func(c *Config) { c.RatePerConn = 100 },
	} {
		c := small(url)
		change(&c)
		r := run(t, c)
		noErrors(t, r)
		// Every message that was due in the measurement is there: as many as the schedule has for its time, and no more than for the
		// time until the last of them left, which may be longer.
		least, most := 1000*c.Duration.Seconds(), 1000*r.Messages.Duration.Seconds()
		if got := float64(r.Latency.Corrected.Count()); got < 0.9*least || got > most+10 {
			t.Errorf("%s: %v messages, want %v to %v", name, got, least, most)
		}
		if r.Latency.Uncorrected.Count() != r.Latency.Corrected.Count() || r.Generator.Slip.Count() != r.Latency.Corrected.Count() {
			t.Errorf("%s: %d uncorrected, %d slips", name, r.Latency.Uncorrected.Count(), r.Generator.Slip.Count())
		}
		if r.Latency.Corrected.Mean() < r.Latency.Uncorrected.Mean() {
			t.Errorf("%s: corrected %v, uncorrected %v", name, r.Latency.Corrected.Mean(), r.Latency.Uncorrected.Mean())
		}
	}
}

func TestIdleAndActive(t *testing.T) {
	t.Parallel()
	var active counter
	s := echoServer()
	s.Events.Message = func(c engine.Conn, op codec.Opcode, payload []byte) {
		if c.Data() == nil {
			c.SetData(true)
			active.Add(1)
		}
		echo(c, op, payload)
	}
	var pings counter
	s.Events.Ping = func(engine.Conn, []byte) { pings.Add(1) }
	url := serve(t, s)

	c := small(url)
	c.Scenario = Idle
	r := run(t, c)
	noErrors(t, r)
	if r.Messages.Sent != 0 || r.Connect.Reached != 10 || r.Latency.Corrected != nil || r.Generator.Slip != nil {
		t.Errorf("idle: %+v", r.Messages)
	}
	c.Active = 0.25
	noErrors(t, run(t, c))
	if active.Load() != 3 {
		t.Errorf("%d of 10 were active, want a quarter, rounded up", active.Load())
	}
	c.Active, c.Keepalive, c.Duration = 0, 250*time.Millisecond, 2*time.Second
	noErrors(t, run(t, c))
	if pings.Load() == 0 {
		t.Error("nobody was pinged")
	}
}

func TestBroadcast(t *testing.T) {
	t.Parallel()
	url := serve(t, broadcastServer())
	for name, change := range map[string]func(c *Config){
		"rate":        func(c *Config) { c.Rate = 200 },
		"outstanding": func(c *Config) { c.Outstanding = 2 },
		"text":        func(c *Config) { c.Rate, c.Text = 200, true },
		"least size":  func(c *Config) { c.Rate, c.Size = 200, 8 },
		"two loops":   func(c *Config) { c.Rate, c.Loops = 200, 2 },
	} {
		c := small(url)
		c.Scenario = Broadcast
		change(&c)
		r := runSome(t, c)
		noErrors(t, r)
		sent := r.Latency.Corrected.Count() / 10
		if sent == 0 || r.Latency.Corrected.Count() != 10*sent {
			t.Errorf("%s: %d latencies of 10 receivers", name, r.Latency.Corrected.Count())
		}
		if both := c.Rate > 0 && c.Size != 8; both != (r.Latency.Uncorrected.Count() == 10*sent) {
			t.Errorf("%s: %d uncorrected latencies", name, r.Latency.Uncorrected.Count())
		}
		if r.Latency.Corrected.Max() > patience {
			t.Errorf("%s: a latency of %v", name, r.Latency.Corrected.Max())
		}
	}
}

func TestSlow(t *testing.T) {
	t.Parallel()
	url := serve(t, broadcastServer())
	c := small(url)
	c.Scenario, c.Slow, c.Rate = Slow, 0.2, 200
	r := run(t, c)
	noErrors(t, r)
	if sent := r.Generator.Slip.Count(); sent == 0 || r.Latency.Corrected.Count() != 8*sent {
		t.Errorf("%d latencies of 8 readers and %d messages", r.Latency.Corrected.Count(), sent)
	}
}

// A broadcast that the server keeps from some counts for them.
func TestBroadcastNotReceived(t *testing.T) {
	t.Parallel()
	s := echoServer() // which sends it back to the sender only
	c := small(serve(t, s))
	c.Scenario, c.Rate = Broadcast, 200
	w := connected(t, c)
	w.Measure() // before the first message, so that all are measured
	w.Begin()
	wait(t.Context(), c.Duration)
	w.End()
	eventually(t, "the sender to receive all", func() bool { return w.waiting() == 0 })
	w.config.Drain = 50 * time.Millisecond
	w.Drain(t.Context())
	r := w.Report(nil)
	onlyError(t, r, causeMissing)
	own := r.Latency.Corrected.Count() / 10
	if r.Latency.Corrected.Count() != 10*own || r.Errors[causeMissing] != 9*own {
		t.Errorf("%d latencies, %d missing", r.Latency.Corrected.Count(), r.Errors[causeMissing])
	}
}

func TestChurn(t *testing.T) {
	t.Parallel()
	url := serve(t, echoServer())
	for name, rate := range map[string]float64{"as fast as it goes": 0, "rate": 200} {
		c := small(url)
		c.Scenario, c.ConnectRate, c.Loops = Churn, rate, 2
		r := runFor(t, c, "more lives than clients", func(all *Sample) bool { return all.Connects > 20 })
		// On a slow machine there is nobody free for some lives of a schedule.
		var unbegun uint64
		if rate > 0 {
			unbegun = r.Errors[causeUnanswered]
			delete(r.Errors, causeUnanswered)
		}
		noErrors(t, r)
		if r.Connect.Opened <= 10 || r.Connect.Opened != r.Connect.Attempted || r.Connect.Reached > 10 || r.Connect.Lost != 0 {
			t.Errorf("%s: %+v", name, r.Connect)
		}
		if n := r.Latency.Corrected.Count() - unbegun; n == 0 || n > r.Connect.Opened || (rate > 0) != (r.Latency.Uncorrected.Count() == n) {
			t.Errorf("%s: %d lives, %d uncorrected, of %d", name, n, r.Latency.Uncorrected.Count(), r.Connect.Opened)
		}
		if r.Connect.Connecting.Count() != r.Connect.Opened || r.Connect.Handshake.Count() != r.Connect.Opened {
			t.Errorf("%s: %d connected, %d shook hands", name, r.Connect.Connecting.Count(), r.Connect.Handshake.Count())
		}
	}
}

func TestHandshakeOptions(t *testing.T) {
	t.Parallel()
	s := echoServer()
	s.Subprotocols, s.Origins = []string{"chat"}, []string{"https://example.org"}
	seen := make(chan string, 100)
	s.Events.Open = func(c engine.Conn) { seen <- c.Subprotocol() }
	url := serve(t, s)
	c := small(url)
	c.Subprotocols, c.Origin, c.Header = []string{"chat"}, "https://example.org", []Field{{"X-Test", "1"}}
	c.Sources = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	r := run(t, c)
	noErrors(t, r)
	if got := <-seen; got != "chat" {
		t.Errorf("subprotocol %q", got)
	}
	if r.Settings.Sources[0] != "127.0.0.1" || r.Settings.Others["subprotocols"] != "chat" {
		t.Errorf("%+v", r.Settings)
	}
	for _, field := range []Field{{"X Test", "1"}, {"X-Test", "a\nb"}} {
		c.Header = []Field{field}
		if err := c.Complete(); err != nil {
			t.Fatal(err)
		}
		if r, err := Run(t.Context(), c, nil, nil); err == nil || r != nil {
			t.Errorf("%q was sent", field)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	s := echoServer()
	listeners, err := s.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(listeners...) }()
	t.Cleanup(func() {
		s.Close()
		<-served
	})
	c := small("ws://localhost/")
	c.Unix = path
	r := runSome(t, c)
	noErrors(t, r)
	if r.Messages.Received == 0 || !strings.HasSuffix(r.Settings.Others["unix socket"], "/s") {
		t.Errorf("%+v", r.Messages)
	}
}
