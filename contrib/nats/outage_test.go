package nats

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
	"github.com/wsloop/wsloop/contrib/nats/internal/natstest"
)

// TestAccounts cuts one server off again and again while it publishes. What it counts as carried has arrived, and nothing else has but what it
// counts as unconfirmed; none twice, and all in order.
func TestAccounts(t *testing.T) {
	s := natstest.Broker(t, nil)
	g := bridgetest.NewGate(t, s.Addr().String())
	a, gaps := opened(t, "a", Options{URL: "nats://" + g.Address()})
	b, got := opened(t, "b", Options{URL: s.ClientURL()}, "x", "*")
	awaitSubscriptions(t, s, "b", 2)
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
		if err := a.Publish("x", codec.OpcodeText, []byte(strconv.Itoa(published))); err != ErrAway {
			t.Fatal(err)
		}
		published++
		g.Set(bridgetest.Faults{Target: s.Addr().String()})
		bridgetest.Eventually(t, "the gap is told", func() bool { return gaps.Count() == round+1 })
	}
	send(1)
	bridgetest.Eventually(t, "the last", func() bool { return got.Last() == fmt.Sprintf("x %d", published-1) })
	bridgetest.Eventually(t, "all is counted", func() bool { return sums(a) == uint64(published) })
	checkArrived(t, a, b)
	st, sb := a.Stats(), b.Stats()
	if st.Outages != 10 || st.Gaps != 10 || st.Missed < 10*1001 {
		t.Errorf("%+v", st)
	}
	bridgetest.CheckAscending(t, got.All())
	if sb.Gaps > sb.Late || sb.Outages != 0 { // NATS may read what was under way behind what came on the next connection
		t.Errorf("%+v", sb)
	}
	t.Logf("%d published, %d arrived, %+v", published, sb.Received, st)
}

// TestBrokerDies kills NATS under load, and starts another one. What is published after both were told of the gap arrives.
func TestBrokerDies(t *testing.T) {
	s := natstest.Broker(t, nil)
	g := bridgetest.NewGate(t, s.Addr().String())
	a, gapsOfA := opened(t, "a", Options{URL: "nats://" + g.Address()})
	b, got := opened(t, "b", Options{URL: "nats://" + g.Address()}, "x", "*")
	awaitSubscriptions(t, s, "b", 2)
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
		natstest.Stop(s)
		g.Set(bridgetest.Faults{}) // somebody else may get its port
		bridgetest.Eventually(t, "both are away", func() bool { return !a.Ready() && !b.Ready() })
		missed := a.Stats().Missed
		bridgetest.Eventually(t, "messages are missed", func() bool { return a.Stats().Missed > missed+1000 })
		s = natstest.Broker(t, nil)
		g.Set(bridgetest.Faults{Target: s.Addr().String()})
		bridgetest.Eventually(t, "both were told", func() bool { return gapsOfA.Count() == round+1 && b.Stats().Gaps == uint64(round+1) })
	}
	close(stop)
	published := <-done
	bridgetest.Publish(a, "x", published, published+100)
	bridgetest.Eventually(t, "the last", func() bool { return got.Last() == fmt.Sprintf("x %d", published+99) })
	bridgetest.Eventually(t, "all is counted", func() bool { return sums(a) == uint64(published+100) })
	all := got.All()
	bridgetest.CheckAscending(t, all)
	if tail := all[len(all)-100:]; !slices.Equal(tail, bridgetest.Numbers("x", published, published+100)) {
		t.Errorf("%q", tail)
	}
}

// TestStartsWithout begins without NATS.
func TestStartsWithout(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent := "nats://" + ln.Addr().String() // takes connections, says nothing
	defer ln.Close()
	hung, _ := opened(t, "hung", Options{URL: silent})
	bridgetest.Publish(hung, "x", 0, 10)
	g := bridgetest.NewGate(t, "")
	a, _ := opened(t, "a", Options{URL: "nats://" + g.Address()})
	b, got := opened(t, "b", Options{URL: "nats://" + g.Address()}, "x")
	bridgetest.Eventually(t, "attempts", func() bool { return a.Stats().Failures > 2 && b.Stats().Failures > 2 })
	bridgetest.Publish(a, "x", 0, 10)
	if st := a.Stats(); st.Ready || st.Missed != 10 || st.Outages != 1 {
		t.Errorf("%+v", st)
	}
	s := natstest.Broker(t, nil)
	g.Set(bridgetest.Faults{Target: s.Addr().String()})
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

// TestStalled has the way to NATS, or back, or both, swallow everything without a word.
func TestStalled(t *testing.T) {
	for _, test := range []struct {
		name     string
		up, down bool
	}{
		{"up", true, false},
		{"down", false, true},
		{"both", true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := natstest.Broker(t, nil)
			g := bridgetest.NewGate(t, s.Addr().String())
			a, gaps := opened(t, "a", Options{URL: "nats://" + g.Address(), Heartbeat: beat, MaxQueued: 1000})
			b, got := opened(t, "b", Options{URL: s.ClientURL()}, "x", "*")
			awaitSubscriptions(t, s, "b", 2)
			bridgetest.Eventually(t, "a is ready", a.Ready)
			g.Set(bridgetest.Faults{Target: s.Addr().String(), Up: bridgetest.Way{Stalled: test.up}, Down: bridgetest.Way{Stalled: test.down}})
			began, published := time.Now(), 0
			bridgetest.Eventually(t, "it is noticed", func() bool {
				bridgetest.Publish(a, "x", published, published+100)
				published += 100
				return !a.Ready()
			})
			bridgetest.Eventually(t, "nothing is kept for later", func() bool { return a.Stats().Queued == 0 })
			t.Logf("noticed after %.1f heartbeats", float64(time.Since(began))/float64(beat))
			g.Set(bridgetest.Faults{Target: s.Addr().String()})
			bridgetest.Eventually(t, "the gap is told", func() bool { return gaps.Count() > 0 })
			healed := published
			bridgetest.Eventually(t, "what is published arrives again", func() bool {
				bridgetest.Publish(a, "x", published, published+1)
				published++
				return bridgetest.Number(got.Last()) >= healed
			})
			bridgetest.Eventually(t, "all is counted", func() bool { return sums(a) == uint64(published) })
			checkArrived(t, a, b)
			bridgetest.CheckAscending(t, got.All())
		})
	}
}

// TestStalledIdle has nothing to send: the heartbeat notices.
func TestStalledIdle(t *testing.T) {
	s := natstest.Broker(t, nil)
	g := bridgetest.NewGate(t, s.Addr().String())
	b, got := opened(t, "b", Options{URL: "nats://" + g.Address(), Heartbeat: beat}, "x")
	bridgetest.Eventually(t, "ready", b.Ready)
	g.Set(bridgetest.Faults{Target: s.Addr().String(), Down: bridgetest.Way{Stalled: true}})
	bridgetest.Eventually(t, "it is noticed", func() bool { return !b.Ready() })
	g.Set(bridgetest.Faults{Target: s.Addr().String()})
	bridgetest.Eventually(t, "the gap is told", func() bool { return got.Last() == "gap" })
}

// TestStalledWrite has a message be longer than what sockets take: the client library waits amid it, with its lock held.
func TestStalledWrite(t *testing.T) {
	const long = 32 << 20
	s := natstest.Broker(t, func(o *server.Options) { o.MaxPayload = long + EnvelopeBytes })
	g := bridgetest.NewGate(t, s.Addr().String())
	b, got := opened(t, "b", Options{URL: "nats://" + g.Address(), Heartbeat: beat, MaxMessageBytes: long})
	bridgetest.Eventually(t, "ready", b.Ready)
	g.Set(bridgetest.Faults{Target: s.Addr().String(), Up: bridgetest.Way{Stalled: true}})
	b.Publish("x", codec.OpcodeBinary, make([]byte, long))
	bridgetest.Eventually(t, "it is noticed", func() bool { return !b.Ready() })
	g.Set(bridgetest.Faults{Target: s.Addr().String()})
	bridgetest.Eventually(t, "the gap is told", func() bool { return got.Last() == "gap" })
	bridgetest.Eventually(t, "it is counted", func() bool { return sums(b) == 1 })
	if st := b.Stats(); st.Carried != 0 {
		t.Errorf("%+v", st)
	}
}

// TestSlowBroker reads 1 KiB a second: what waits stays within its limits, and nobody who publishes waits.
func TestSlowBroker(t *testing.T) {
	s := natstest.Broker(t, nil)
	g := bridgetest.NewGate(t, s.Addr().String())
	const most = 1 << 20
	a, _ := opened(t, "a", Options{URL: "nats://" + g.Address(), Heartbeat: beat, MaxQueuedBytes: most})
	bridgetest.Eventually(t, "a is ready", a.Ready)
	g.Set(bridgetest.Faults{Target: s.Addr().String(), Up: bridgetest.Way{Rate: 1 << 10}})
	payload := make([]byte, 64<<10)
	published := 0
	bridgetest.Eventually(t, "messages are dropped or missed", func() bool {
		for range 100 {
			a.Publish("x", codec.OpcodeBinary, payload)
			published++
		}
		st := a.Stats()
		if st.QueuedBytes > most {
			t.Fatalf("%+v", st)
		}
		return st.Dropped > 100 && st.Missed > 0
	})
	g.Set(bridgetest.Faults{Target: s.Addr().String()})
	bridgetest.Eventually(t, "all is confirmed", func() bool { return a.Ready() && a.Stats().Queued == 0 })
	bridgetest.Eventually(t, "all is counted", func() bool { return sums(a) == uint64(published) })
}

// TestCloseAway closes bridges that cannot send.
func TestCloseAway(t *testing.T) {
	s := natstest.Broker(t, nil)
	g := bridgetest.NewGate(t, s.Addr().String())
	var bridges []*Bridge
	for i := range 4 {
		b, _ := opened(t, fmt.Sprint(i), Options{URL: "nats://" + g.Address()}, "x")
		bridges = append(bridges, b)
	}
	for _, b := range bridges {
		bridgetest.Eventually(t, "ready", b.Ready)
	}
	g.Set(bridgetest.Faults{Target: s.Addr().String(), Up: bridgetest.Way{Stalled: true}, Down: bridgetest.Way{Stalled: true}})
	var wg sync.WaitGroup
	for _, b := range bridges[:2] {
		wg.Go(func() {
			payload := make([]byte, 1<<19)
			for range 100 { // more than the sockets take
				b.Publish("y", codec.OpcodeBinary, payload)
			}
			if err := b.Close(); err == nil {
				t.Error("closed a stalled bridge without an error")
			}
			if n := sums(b); n != 100 {
				t.Errorf("counted %d: %+v", n, b.Stats())
			}
		})
	}
	wg.Wait()
	g.Set(bridgetest.Faults{})
	for _, b := range bridges[2:] {
		bridgetest.Eventually(t, "away", func() bool { return !b.Ready() })
		wg.Go(func() {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestSwizzle stalls servers one by one and lets them go in another order, again and again (W110): all come back with all subscriptions.
func TestSwizzle(t *testing.T) {
	s := natstest.Broker(t, nil)
	const nodes = 5
	var gates []*bridgetest.Gate
	var bridges []*Bridge
	var recorders []*bridgetest.Recorder
	for i := range nodes {
		g := bridgetest.NewGate(t, s.Addr().String())
		b, r := opened(t, fmt.Sprint(i), Options{URL: "nats://" + g.Address(), Heartbeat: beat}, "x", fmt.Sprintf("to.%d.*", i))
		gates, bridges, recorders = append(gates, g), append(bridges, b), append(recorders, r)
	}
	for range 3 {
		for i, g := range gates {
			g.Set(bridgetest.Faults{Target: s.Addr().String(), Up: bridgetest.Way{Stalled: i%3 != 0}, Down: bridgetest.Way{Stalled: i%3 != 1}})
			bridgetest.Publish(bridges[(i+1)%nodes], "x", 0, 100)
		}
		for _, b := range bridges {
			bridgetest.Eventually(t, "away", func() bool { return !b.Ready() })
		}
		for _, i := range []int{3, 0, 4, 2, 1} {
			gates[i].Set(bridgetest.Faults{Target: s.Addr().String()})
			bridgetest.Publish(bridges[i], "x", 0, 100)
		}
		for i, b := range bridges {
			bridgetest.Eventually(t, "ready", b.Ready)
			awaitSubscriptions(t, s, fmt.Sprint(i), 2)
		}
	}
	for i := range nodes {
		bridgetest.Eventually(t, "the end", func() bool {
			bridgetest.Publish(bridges[(i+1)%nodes], fmt.Sprintf("to.%d.end", i), 0, 1)
			return recorders[i].Last() == fmt.Sprintf("to.%d.end 0", i)
		})
	}
}
