//go:build unix

// Command slow measures what slow peers cost the others: the latency of broadcasts to thousands of
// connections, with all of them reading, with a tenth that never reads, and with a hundredth that
// sends a message byte by byte. Each scenario has a server and a client process of its own, and
// the scenarios take turns.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"time"
)

// A scenario is a kind of slow peers.
type scenario struct {
	name    string
	deaf    float64 // the part of the connections that never reads
	halting float64 // the part that sends byte by byte
}

var scenarios = []scenario{
	{name: "all read"},
	{name: "10 % never read", deaf: 0.10},
	{name: "1 % send byte by byte", halting: 0.01},
}

// load is what every scenario gets.
type load struct {
	connections, broadcasts, bytes int
	interval                       time.Duration
	memory                         int64
}

func main() {
	var l load
	flag.IntVar(&l.connections, "connections", 10_000, "number of connections")
	flag.IntVar(&l.broadcasts, "broadcasts", 1000, "number of broadcasts")
	flag.IntVar(&l.bytes, "bytes", 512, "length of a message")
	flag.DurationVar(&l.interval, "interval", 90*time.Millisecond, "time between two broadcasts")
	flag.Int64Var(&l.memory, "memory", 160<<20, "memory budget of the server, in bytes")
	rounds := flag.Int("rounds", 3, "how often each scenario is run")
	role := flag.String("role", "", "used by the program itself")
	addr := flag.String("addr", "", "used by the program itself")
	deaf := flag.Int("deaf", 0, "used by the program itself")
	halting := flag.Int("halting", 0, "used by the program itself")
	flag.Parse()
	var err error
	switch *role {
	case "server":
		err = runServer(l)
	case "client":
		err = runClient(l, *addr, *deaf, *halting)
	default:
		err = compare(l, *rounds)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "slow:", err)
		os.Exit(1)
	}
}

// compare runs the scenarios in turns and prints the medians. It fails if a reading connection missed a message, if the server
// held more than its budget, or if the slow peers made the others wait more than twice as long.
func compare(l load, rounds int) error {
	fmt.Printf("%d connections, %d broadcasts of %d bytes every %v, %d rounds, budget %d MiB\n",
		l.connections, l.broadcasts, l.bytes, l.interval, rounds, l.memory>>20)
	fmt.Printf("%-24s %10s %10s %8s %8s %12s %10s %8s\n", "", "p50", "p99", "ratio", "range", "peak memory", "dropped", "missed")
	all := make([][]result, len(scenarios))
	for range rounds {
		for i, s := range scenarios {
			r, err := run(l, s)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			fmt.Fprintf(os.Stderr, "%s: %+v\n", s.name, r)
			all[i] = append(all[i], r)
		}
	}
	var failed error
	for i, s := range scenarios {
		ratios := make([]float64, rounds)
		for j := range ratios {
			ratios[j] = float64(all[i][j].P99) / float64(all[0][j].P99)
		}
		r := summarize(all[i])
		slices.Sort(ratios)
		ratio := ratios[len(ratios)/2]
		fmt.Printf("%-24s %10v %10v %8.2f %s %8.1f MiB %10d %8d\n", s.name, r.P50.Round(10*time.Microsecond), r.P99.Round(10*time.Microsecond),
			ratio, fmt.Sprintf("%.2f-%.2f", ratios[0], ratios[len(ratios)-1]), float64(r.Memory)/(1<<20), r.Dropped, r.Missed)
		switch {
		case r.Missed > 0:
			failed = fmt.Errorf("%s: %d messages missed", s.name, r.Missed)
		case r.Memory > l.memory:
			failed = fmt.Errorf("%s: %d bytes held", s.name, r.Memory)
		case ratio > 2:
			failed = fmt.Errorf("%s: p99 grew %.2f times", s.name, ratio)
		}
	}
	return failed
}

// summarize takes the medians of the times and the worst of the rest.
func summarize(rounds []result) (r result) {
	var p50, p99 []time.Duration
	for _, x := range rounds {
		p50, p99 = append(p50, x.P50), append(p99, x.P99)
		r.Memory = max(r.Memory, x.Memory)
		r.Missed = max(r.Missed, x.Missed)
		r.Dropped = max(r.Dropped, x.Dropped)
	}
	slices.Sort(p50)
	slices.Sort(p99)
	r.P50, r.P99 = p50[len(p50)/2], p99[len(p99)/2]
	return r
}
