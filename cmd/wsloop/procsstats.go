package main

import (
	"fmt"
	"io"
	"math"
	"reflect"
	"time"

	"github.com/wsloop/wsloop/engine"
)

// every returns a ticker's channel and what stops it. There are no ticks if d is 0.
func every(d time.Duration) (ticks <-chan time.Time, stop func()) {
	if d == 0 {
		return nil, func() {}
	}
	t := time.NewTicker(d)
	return t.C, t.Stop
}

// printStats is the line of -stats. Memory is that of the server's buffers.
func printStats(w io.Writer, s engine.Stats) {
	fmt.Fprintf(w, "wsloop: stats: %d connections, %d handshakes, %d refused, %d protocol errors, %d bytes of memory\n",
		s.Connections, s.Handshakes, s.Refused, s.ProtocolErrors, s.Memory)
}

// addStats adds the statistics of another process: counts and limits are summed, of delays the longest counts.
// A sum beyond all numbers is the largest of them, as limits may be.
func addStats(to *engine.Stats, s engine.Stats) {
	sum, more := reflect.ValueOf(to).Elem(), reflect.ValueOf(s)
	for i := range sum.NumField() {
		switch field := sum.Field(i).Addr().Interface().(type) {
		case *time.Duration:
			*field = max(*field, time.Duration(more.Field(i).Int()))
		case *int64:
			n := more.Field(i).Int()
			*field = min(*field, math.MaxInt64-n) + n
		case *uint64:
			*field += more.Field(i).Uint()
		}
	}
}

// counted is what stays of the statistics of a process that has ended.
func counted(s engine.Stats) engine.Stats {
	s.Connections, s.MaxConnections, s.Memory, s.MaxMemory, s.LoopLag = 0, 0, 0, 0, 0
	return s
}
