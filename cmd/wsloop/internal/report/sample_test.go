package report

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/hdr"
)

var (
	update   = flag.Bool("update", false, "write the golden files anew")
	pageFile = flag.String("page", "", "where TestSamplePage writes its page, for a browser")
)

var start = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

// sample is a run of 40 seconds: 10 to connect, and a server that stands still in the 25th.
func sample() *Report {
	r := &Report{
		Schema: Schema, Command: []string{"wsloop", "load", "-rate", "20000", "ws://127.0.0.1:8080/"},
		Start: start, Duration: 40 * time.Second,
		Machine: Machine{OS: "linux", Arch: "amd64", Kernel: "6.1.0", CPU: "Example CPU 2.0 GHz", Cores: 2, MemoryBytes: 8 << 30, Go: "go1.26.0", Wsloop: "v0.9.0"},
		Settings: Settings{
			Scenario: "echo", Connections: 10000, Targets: []string{"ws://127.0.0.1:8080/"}, Sources: []string{"127.0.0.2", "127.0.0.3"},
			Procs: 2, PayloadBytes: 125, Rate: 20000, ConnectRate: 1000, Outstanding: 1, Fragments: 2, Others: map[string]string{"think time": "1 s"},
		},
		Connect:  Connect{Attempted: 10002, Opened: 10000, Failed: 2, Lost: 3, Reached: 10000, Duration: 10 * time.Second, Connecting: new(hdr.Histogram), Handshake: new(hdr.Histogram)},
		Messages: Messages{Duration: 30 * time.Second},
		Latency:  Latency{new(hdr.Histogram), new(hdr.Histogram)},
		Errors:   map[string]uint64{"connection refused": 2, "closed by the server with 1013": 3},
		Generator: Generator{
			CPU: 21 * time.Second, Slip: new(hdr.Histogram),
			Warnings: []string{"the generator used 53 % of the machine: what it measures includes its own delays"},
		},
		Servers: []Server{
			{PID: 4242, CPU: 9 * time.Second, RSSBefore: 12_000_000, RSSAfter: 13_100_000},
			{PID: 4243, CPU: 8 * time.Second, RSSBefore: 12_000_000, RSSAfter: 13_000_000},
		},
	}
	random := rand.New(rand.NewPCG(7, 8))
	for t := range 40 {
		r.Series = append(r.Series, r.sampleSecond(random, t))
	}
	return r
}

// sampleSecond makes up a second, and adds it to the totals.
func (r *Report) sampleSecond(random *rand.Rand, t int) Second {
	s := Second{T: t, Open: uint64(min(t+1, 10) * 1000), Slip: time.Duration(random.IntN(400)) * time.Microsecond}
	if t < 10 {
		s.Connects = 1000
		for range 100 {
			r.Connect.Connecting.RecordN(time.Duration(40+random.IntN(60))*time.Microsecond, 10)
			r.Connect.Handshake.RecordN(time.Duration(150+random.IntN(300))*time.Microsecond, 10)
		}
		return s
	}
	h := new(hdr.Histogram)
	for i := range 2000 {
		latency := time.Duration(200+random.IntN(150)) * time.Microsecond
		if i%100 == 0 {
			latency += time.Duration(random.IntN(2000)) * time.Microsecond
		}
		wait := time.Duration(0)
		if t == 25 {
			wait = time.Duration(i) * 400 * time.Microsecond
		}
		h.RecordN(latency+wait, 10)
		r.Latency.Uncorrected.RecordN(latency, 10)
		r.Generator.Slip.RecordN(time.Duration(random.IntN(400))*time.Microsecond, 10)
	}
	r.Latency.Corrected.Merge(h)
	s.Sent, s.Received = 20000, 20000
	if t == 25 {
		s.Received, s.Errors, s.Open = 4000, 3, s.Open-3
	}
	r.Messages.Sent += s.Sent
	r.Messages.Received += s.Received
	r.Messages.SentBytes += 125 * s.Sent
	r.Messages.ReceivedBytes += 125 * s.Received
	s.SetLatency(h)
	return s
}

// golden compares with a file of testdata, or writes it when the tests run with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is written:\n%s", path, got)
	}
}
