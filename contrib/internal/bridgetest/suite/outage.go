package suite

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
)

// Accounts cuts one server off again and again while it publishes. What it counts as carried has arrived, and nothing else has but what it
// counts as unconfirmed; none twice, and all in order.
func (k Kind) Accounts(t *testing.T) {
	s := k.Start(t, 0)
	g := bridgetest.NewGate(t, s.Address())
	a, gaps := k.open(t, "a", Options{URL: g.Address()})
	b, got := k.open(t, "b", Options{URL: s.URL()}, "x", "*")
	Await(t, s, "b", 2)
	published := 0
	send := func(n int) {
		bridgetest.Publish(a, "x", published, published+n)
		published += n
	}
	for round := range 10 {
		bridgetest.Eventually(t, "a is ready", a.Ready)
		before := a.Stats().Carried
		send(1000)
		bridgetest.Eventually(t, "something is carried", func() bool { return a.Stats().Carried > before })
		send(5000)
		g.Set(bridgetest.Faults{})
		send(1000)
		bridgetest.Eventually(t, "a is away", func() bool { return !a.Ready() })
		send(1000)
		if err := a.Publish("x", codec.OpcodeText, []byte(strconv.Itoa(published))); err != k.Away {
			t.Fatal(err)
		}
		published++
		g.Set(bridgetest.Faults{Target: s.Address()})
		bridgetest.Eventually(t, "the gap is told", func() bool { return gaps.Count() == round+1 })
	}
	send(1)
	bridgetest.Eventually(t, "the last", func() bool { return got.Last() == fmt.Sprintf("x %d", published-1) })
	bridgetest.Eventually(t, "all is counted", func() bool { return Sum(a) == uint64(published) })
	checkArrived(t, a, b)
	st, sb := a.Stats(), b.Stats()
	if st.Outages != 10 || st.Gaps != 10 || st.Missed < 10*1001 {
		t.Errorf("%+v", st)
	}
	bridgetest.CheckAscending(t, got.All())
	if sb.Gaps > sb.Late || sb.Outages != 0 { // the broker may read what was under way behind what came on the next connection
		t.Errorf("%+v", sb)
	}
	t.Logf("%d published, %d arrived, %+v", published, sb.Received, st)
}

// BrokerDies kills the broker under load, and starts another one. What is published after both were told of the gap arrives.
func (k Kind) BrokerDies(t *testing.T) {
	s := k.Start(t, 0)
	g := bridgetest.NewGate(t, s.Address())
	a, gapsOfA := k.open(t, "a", Options{URL: g.Address()})
	b, got := k.open(t, "b", Options{URL: g.Address()}, "x", "*")
	Await(t, s, "b", 2)
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				done <- n
				return
			default:
				bridgetest.Publish(a, "x", n, n+1)
				if n%100 == 99 {
					time.Sleep(time.Millisecond) // so that others get the processor
				}
			}
		}
	}()
	for round := range 3 {
		bridgetest.Eventually(t, "both are ready", func() bool { return a.Ready() && b.Ready() })
		n := b.Stats().Received
		bridgetest.Eventually(t, "messages", func() bool { return b.Stats().Received > n+1000 })
		s.Stop()
		g.Set(bridgetest.Faults{}) // somebody else may get its port
		bridgetest.Eventually(t, "both are away", func() bool { return !a.Ready() && !b.Ready() })
		missed := a.Stats().Missed
		bridgetest.Eventually(t, "messages are missed", func() bool { return a.Stats().Missed > missed+1000 })
		s = k.Start(t, 0)
		g.Set(bridgetest.Faults{Target: s.Address()})
		bridgetest.Eventually(t, "both were told", func() bool { return gapsOfA.Count() == round+1 && b.Stats().Gaps == uint64(round+1) })
	}
	close(stop)
	published := <-done
	bridgetest.Publish(a, "x", published, published+100)
	bridgetest.Eventually(t, "the last", func() bool { return got.Last() == fmt.Sprintf("x %d", published+99) })
	bridgetest.Eventually(t, "all is counted", func() bool { return Sum(a) == uint64(published+100) })
	all := got.All()
	bridgetest.CheckAscending(t, all)
	if tail := all[len(all)-100:]; !slices.Equal(tail, bridgetest.Numbers("x", published, published+100)) {
		t.Errorf("%q", tail)
	}
}

// StartsWithout begins without the broker.
func (k Kind) StartsWithout(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	hung, _ := k.open(t, "hung", Options{URL: ln.Addr().String()})
	bridgetest.Publish(hung, "x", 0, 10)
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	g := bridgetest.NewGate(t, "")
	a, _ := k.open(t, "a", Options{URL: g.Address()})
	b, got := k.open(t, "b", Options{URL: g.Address()}, "x")
	bridgetest.Eventually(t, "attempts", func() bool { return a.Stats().Failures > 2 && b.Stats().Failures > 2 })
	bridgetest.Publish(a, "x", 0, 10)
	if st := a.Stats(); st.Ready || st.Missed != 10 || st.Outages != 1 {
		t.Errorf("%+v", st)
	}
	s := k.Start(t, 0)
	g.Set(bridgetest.Faults{Target: s.Address()})
	bridgetest.Eventually(t, "both are there", func() bool { return a.Ready() && b.Ready() && b.Stats().Gaps == 1 })
	bridgetest.Publish(a, "x", 10, 20)
	bridgetest.Eventually(t, "the last", func() bool { return got.Last() == "x 19" })
	if !slices.Equal(got.All(), append([]string{"gap"}, bridgetest.Numbers("x", 10, 20)...)) {
		t.Errorf("%q", got.All())
	}
	if err := hung.Close(); err == nil || hung.Stats().Missed != 10 {
		t.Errorf("%v %+v", err, hung.Stats())
	}
}
