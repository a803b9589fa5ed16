package engine

import (
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// TestPublishToSlowSubscribers publishes far more than the subscribers that do not read can be sent. What waits for them is there once, however
// many wait for it; the others get everything.
func TestPublishToSlowSubscribers(t *testing.T) {
	const (
		slow, fast = 30, 10
		messages   = 1000
		length     = 16 << 10
		allOnce    = messages * (length + 4)
	)
	s := &Server{MaxBufferedBytes: 2 * allOnce, Events: Events{Open: func(c Conn) { _ = c.Subscribe("all") }}}
	r := serve(t, s)
	for range slow {
		r.open()
	}
	var read atomic.Int64
	for range fast {
		c := r.open()
		go func() {
			_, _ = io.Copy(counting{&read}, c.in)
		}()
	}
	poll(t, "all to subscribe", func() bool { return s.Subscribers("all") == slow+fast })
	before := s.Stats().Memory
	payload := []byte(strings.Repeat("x", length))
	var worst int64
	queued := 0
	for range messages {
		p, err := s.Publish("all", codec.OpcodeBinary, payload)
		if err != nil || p.Receivers() != slow+fast {
			t.Fatalf("%+v %v", p, err)
		}
		queued += p.Queued
		worst = max(worst, s.Stats().Memory-before)
	}
	if queued < slow*messages/2 {
		t.Errorf("only %d of %d deliveries waited", queued, slow*messages)
	}
	// Beside the messages: what wraps them, what is on its way in a turn, and for each peer what a full socket left of one batch.
	limit := int64(allOnce + (slow+fast)*messages*itemBytes*2 + (slow+fast)*4*commitBytes + 16<<20)
	t.Logf("%d bytes at most, for messages of %d bytes and %d deliveries that waited", worst, allOnce, queued)
	if worst > limit || limit > slow*allOnce/4 {
		t.Errorf("%d bytes, at most %d expected", worst, limit)
	}
	poll(t, "the fast ones to have read all", func() bool { return read.Load() == fast*allOnce })
}

// counting counts what is written to it.
type counting struct{ n *atomic.Int64 }

func (c counting) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return len(b), nil
}
