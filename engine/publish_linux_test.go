package engine

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller/sim"
)

// BenchmarkPublish sends a message of 125 bytes to all subscribers of a topic, over the simulation, on one loop: what Publish itself
// takes for a receiver, and what it takes until the message is in the hands of the simulated system, alone in its turn and as one of sixteen.
func BenchmarkPublish(b *testing.B) {
	for _, conns := range []int{1000, 15_000} {
		for _, batch := range []int{1, 16} {
			b.Run(fmt.Sprintf("%d/batch=%d", conns, batch), func(b *testing.B) {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				c := newCrowd(b, conns)
				s := &Server{Loops: 1, MaxConnections: Unlimited, Events: Events{Open: func(conn Conn) {
					if err := conn.Subscribe("all"); err != nil {
						b.Error(err)
					}
				}}}
				c.World = sim.New(sim.Options{Seed: 1, Main: func(*sim.World) {
					c.fill()
					c.publish(s, batch)
				}})
				if err := s.ServeDriver(c); err != ErrServerClosed {
					b.Fatal(err)
				}
			})
		}
	}
}

func (c *crowd) publish(s *Server, batch int) {
	message := make([]byte, 125)
	for i := range c.peers {
		c.peers[i].Discard()
	}
	start := processorTime(c.b)
	var calls time.Duration
	rounds := 0
	for c.b.Loop() {
		rounds++
		before := processorTime(c.b)
		for range batch {
			if p, err := s.Publish("all", codec.OpcodeBinary, message); err != nil || p.Sent != c.n {
				c.b.Fatalf("%+v %v", p, err)
			}
		}
		calls += processorTime(c.b) - before
		c.Settle()
	}
	deliveries := float64(rounds * c.n * batch)
	c.b.ReportMetric(float64(calls.Nanoseconds())/deliveries, "ns/publish-receiver")
	c.b.ReportMetric(float64((processorTime(c.b)-start).Nanoseconds())/deliveries, "ns/receiver")
}
