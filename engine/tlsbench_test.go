//go:build linux || darwin || freebsd

package engine

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"
)

// BenchmarkTLSAtRest measures what 5,000 TLS connections at rest hold: heap, and what the system counts as the process's memory, bytes for each, and
// goroutines of them all. Their clients are another process. It is meant for -benchtime 1x.
func BenchmarkTLSAtRest(b *testing.B) {
	for _, version := range both {
		for _, test := range []struct {
			name      string
			message   int // bytes of the one that each has echoed
			noTickets bool
			resumes   bool
		}{
			{"Fresh", 0, false, false},
			{"125B", 125, false, false},
			{"125B,NoTickets", 125, true, false},
			{"125B,Resumed", 125, false, true},
			{"4KiB", 4<<10 - 8, false, false},
			{"16KiB", 16<<10 - 8, false, false}, // the longest record
			{"16KiB,NoTickets", 16<<10 - 8, true, false},
		} {
			b.Run(tls.VersionName(version)[4:]+"/"+test.name, func(b *testing.B) {
				many := throngSize(b, 5000)
				for b.Loop() {
					r := serveSecure(b, &Server{
						Loops: 2, MaxConnections: Unlimited, PingInterval: Never, Events: Events{Message: echo},
						TLSConfig: &tls.Config{SessionTicketsDisabled: test.noTickets},
					})
					r.upgraded(r.config()).echoes("warm")
					goroutines, heap, resident := runtime.NumGoroutine(), heapBytes(), residentBytes()
					startThrong(b, throngOrder{
						Addr: r.addr, Root: r.root(), N: many, Versions: []uint16{version}, MessageBytes: test.message, Resume: test.resumes,
					})
					poll(b, "the goroutines of handshakes to end", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
					b.ReportMetric(float64(heapBytes()-heap)/float64(many), "heap-B/conn")
					b.ReportMetric(float64(residentBytes()-resident)/float64(many), "resident-B/conn")
					b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
				}
			})
		}
	}
}

// BenchmarkTLSHalfOpen measures what connections hold that stop in their TLS handshake. It is meant for -benchtime 1x.
func BenchmarkTLSHalfOpen(b *testing.B) {
	for _, stage := range []string{"nothing", "half", "whole"} {
		b.Run(stage, func(b *testing.B) {
			many := throngSize(b, 10_000)
			for b.Loop() {
				r := serveSecure(b, &Server{Loops: 2, MaxConnections: Unlimited, HandshakeTimeout: never, Events: Events{Message: echo}})
				r.upgraded(r.config()).echoes("warm")
				goroutines, before, resident := runtime.NumGoroutine(), heapAndStacks(), residentBytes()
				startThrong(b, throngOrder{Addr: r.addr, Root: r.root(), N: many, Stages: []string{stage}})
				stats := r.stats()
				poll(b, "all to come", func() bool {
					return stats.Pending.Load() == int64(many) && (stage != "whole" || runtime.NumGoroutine() >= goroutines+many)
				})
				b.ReportMetric(float64(heapAndStacks()-before)/float64(many), "heap+stack-B/conn")
				b.ReportMetric(float64(residentBytes()-resident)/float64(many), "resident-B/conn")
				b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
			}
		})
	}
}

// BenchmarkTLSBesideStalled measures the echo of finished TLS connections, and of plain ones on the same loops, with and without a thousand
// handshakes that stall.
func BenchmarkTLSBesideStalled(b *testing.B) {
	for _, stalled := range []int{0, 1000} {
		b.Run(fmt.Sprint(stalled), func(b *testing.B) {
			r := serveSecure(b, &Server{Loops: 1, HandshakeTimeout: never, Events: Events{Message: echo}})
			beside := newBeside(b, r, 1)
			r.stall(stalled)
			stats := r.stats()
			poll(b, "all to come", func() bool { return stats.Pending.Load() == int64(stalled) })
			var took []time.Duration
			for b.Loop() {
				took = append(took, beside.echo(b, "x")...)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "us-median")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "us-p99")
		})
	}
}

// residentBytes is what the system counts, after all that can be given back was; 0 where it does not tell.
func residentBytes() int64 {
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var all, resident int64
	fmt.Fscan(bytes.NewReader(b), &all, &resident)
	return resident * int64(os.Getpagesize())
}
