package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// orderedSenders send to one connection from goroutines of their own, in turns by Send and SendWait, and
// return when all was accepted or refused for good. Messages are numbered from sender*messages on.
func orderedSenders(t *testing.T, c Conn, senders, messages int) *sync.WaitGroup {
	t.Helper()
	var all sync.WaitGroup
	for sender := range senders {
		all.Go(func() {
			for i := range messages {
				if err := sendOrdered(c, sender*messages+i); err != nil {
					t.Errorf("sender %d: message %d: %v", sender, i, err)
					return
				}
			}
		})
	}
	return &all
}

func sendOrdered(c Conn, n int) error {
	payload := []byte(payloadOf(n))
	if n%3 == 0 {
		return c.SendWait(context.Background(), codec.OpcodeText, payload)
	}
	for {
		_, err := c.Send(codec.OpcodeText, payload)
		if !errors.Is(err, ErrBufferFull) {
			return err
		}
		runtime.Gosched()
	}
}

// Messages of many goroutines go through the outbox, the driver's queue and the backlog while the peer stalls
// and reads at random, and pings overtake them: each goroutine's messages arrive complete and in its order.
func TestOrderWhileThePeerStallsAndReads(t *testing.T) {
	const senders, messages = 4, 2000
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 0))
		st := newSlowTest(t, &Server{MaxBufferedBytes: 100_000, Overflow: Overflow{Policy: OverflowDropNewest}})
		done := make(chan struct{})
		all := orderedSenders(t, st.c, senders, messages)
		go func() {
			all.Wait()
			close(done)
		}()
		var got []byte
		for start, over := time.Now(), false; !over || st.c.Buffered() > 0; runtime.Gosched() {
			if time.Since(start) > patience {
				t.Fatalf("seed %d: %d bytes are still buffered", seed, st.c.Buffered())
			}
			select {
			case <-done:
				over = true
			default:
			}
			peer := &st.conns[st.c.token.Slot()]
			switch random.IntN(6) {
			case 0:
				peer.stalled = true
			case 1:
				if peer.stalled && len(peer.queue) > 0 {
					st.drain(st.c.token)
				}
			case 2:
				_ = st.c.Ping(nil)
			case 3:
				st.read(random.IntN(len(peer.queue) + 1))
			default:
				st.turn()
			}
			if st.c.Buffered() > 100_000+controlBytes {
				t.Fatalf("seed %d: %d bytes are buffered", seed, st.c.Buffered())
			}
			got = append(got, st.take(st.c.token)...)
		}
		st.turn()
		expectTexts(t, append(got, st.take(st.c.token)...), senders, messages)
		if n := len(st.engine.freeBacklogs); n != len(st.engine.backlogs)-1 {
			t.Errorf("seed %d: %d backlogs are not given back", seed, len(st.engine.backlogs)-1-n)
		}
	}
}

// expectTexts checks what follows the frame that newSlowTest began.
func expectTexts(t *testing.T, b []byte, senders, messages int) {
	t.Helper()
	all, err := frames(b)
	if err != nil {
		t.Fatal(err)
	}
	var texts []frame
	for _, f := range all[1:] {
		if f.op != codec.OpcodePing {
			texts = append(texts, f)
		}
	}
	if len(texts) != senders*messages {
		t.Fatalf("%d messages, want %d", len(texts), senders*messages)
	}
	expectOrder(t, texts, messages)
}

// The same over a socket, with a peer that reads all the time but is slower than those who send, and
// pings.
func TestOrderOverASocket(t *testing.T) {
	t.Parallel()
	const senders, messages = 8, 4000
	ss := newSlowSocket(t, &Server{
		MaxBufferedBytes: 256 << 10, ControlRate: Rate{PerSecond: Unlimited}, Overflow: Overflow{Policy: OverflowDropNewest},
	})
	all := orderedSenders(t, ss.c, senders, messages)
	var texts []frame
	for pings := 0; len(texts) < senders*messages; {
		if len(texts) == pings*1000 {
			ss.peer.send(codec.OpcodePing, "?")
			pings++
		}
		if f := ss.peer.read(); f.op == codec.OpcodeText {
			texts = append(texts, f)
		}
	}
	all.Wait()
	expectOrder(t, texts, messages)
	await(t, ss.drained, "Drained")
}
