package engine

import (
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// BenchmarkEcho is what the engine adds to the system calls: messages come so many at a time, are echoed and
// flushed.
func BenchmarkEcho(b *testing.B) {
	for _, bench := range []struct {
		name     string
		messages int
	}{{"one", 1}, {"sixteen", 16}} {
		b.Run(bench.name, func(b *testing.B) {
			driver := &idleDriver{}
			l := newEngineLoop(b, &Server{MaxConnections: Unlimited, Events: Events{Message: echo}}, driver)
			t := driver.open(l, []byte(head("/")))
			in := []byte(strings.Repeat(masked(true, codec.OpcodeBinary, strings.Repeat("x", 125)), bench.messages))
			scratch := make([]byte, len(in))
			for b.Loop() {
				copy(scratch, in)
				l.Data(t, scratch)
				l.Flush()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*bench.messages), "ns/message")
		})
	}
}
