package main

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// -stats prints lines without -procs too.
func TestStatsFlag(t *testing.T) {
	t.Parallel()
	p := start(t, "-addr", "127.0.0.1:0", "-stats", "10ms")
	p.await("wsloop: stats: 0 connections, 0 handshakes, 0 refused, 0 protocol errors, ")
	c := p.open().upgraded()
	p.await("wsloop: stats: 1 connections, 1 handshakes, 0 refused, 0 protocol errors, ")
	c.send(codec.OpcodePong+1, "")
	c.Close()
	p.await("wsloop: stats: 0 connections, 1 handshakes, 0 refused, 1 protocol errors, ")
	c = p.open("Sec-WebSocket-Version: 12")
	c.head()
	c.Close()
	p.await("wsloop: stats: 0 connections, 1 handshakes, 1 refused, 1 protocol errors, ")
}

// Every field is added, in the way of its kind, and what has ended leaves its counts.
func TestAddStats(t *testing.T) {
	// numbered sets the fields to n, n+1 and so on.
	numbered := func(n int) (s engine.Stats) {
		v := reflect.ValueOf(&s).Elem()
		for i := range v.NumField() {
			if f := v.Field(i); f.CanInt() {
				f.SetInt(int64(n + i))
			} else {
				f.SetUint(uint64(n + i))
			}
		}
		return s
	}
	sum := numbered(1000)
	addStats(&sum, numbered(500))
	v := reflect.ValueOf(sum)
	for i := range v.NumField() {
		name, want := v.Type().Field(i).Name, int64(1500+2*i)
		if v.Field(i).Type() == reflect.TypeFor[time.Duration]() {
			want = int64(1000 + i)
		}
		if got := v.Field(i).Convert(reflect.TypeFor[int64]()).Int(); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
	unlimited := engine.Stats{MaxMemory: math.MaxInt64, MaxConnections: math.MaxInt64 / 2}
	for range 3 {
		addStats(&unlimited, unlimited)
	}
	if unlimited.MaxMemory != math.MaxInt64 || unlimited.MaxConnections != math.MaxInt64 {
		t.Errorf("limits added up to %d and %d", unlimited.MaxMemory, unlimited.MaxConnections)
	}
	ended := counted(engine.Stats{Connections: 1, MaxConnections: 2, Memory: 3, MaxMemory: 4, LoopLag: 5, MaxLoopLag: 6, Handshakes: 7})
	if want := (engine.Stats{MaxLoopLag: 6, Handshakes: 7}); ended != want {
		t.Errorf("got %+v, want %+v", ended, want)
	}
}
