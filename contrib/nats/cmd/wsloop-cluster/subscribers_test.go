package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// publishers is how many there are, one for each node.
const publishers = 3

// subscriber is one client: how far each publisher has come.
type subscriber struct {
	last [publishers]int32
}

// tally is what subscribers have seen, together.
type tally struct {
	Connected int64
	Received  [publishers]int64 // messages by publisher
	Twice     int64             // messages that came again, or behind younger ones
	Skipped   int64             // messages that are missing before younger ones
	Gaps      int64             // words that something may be missing
	Other     int64             // what is not expected
	Closed    int64             // connections that ended
	GoneAway  int64             // of these with 1001
}

type swarm struct {
	mu         sync.Mutex // of the loops that count
	tally      tally
	subscribed atomic.Int64
}

// subscribers opens many connections to one node, each with two patterns that match the same topics, and writes a tally for each line that it reads.
//
//	URL COUNT
func subscribers(args []string, in io.Reader, out io.Writer) error {
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	w := new(swarm)
	s := &engine.Server{MaxConnections: engine.Unlimited, Events: engine.Events{Message: w.message, Close: w.closed}}
	if err := s.Start(); err != nil {
		return err
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	target, err := s.Target(ctx, args[0], nil)
	if err != nil {
		return err
	}
	const inFlight = 200
	room := make(chan struct{}, inFlight)
	var failed atomic.Pointer[error]
	for range count {
		room <- struct{}{}
		err := target.Dial(&subscriber{}, func(c engine.Conn, err error) {
			<-room
			if err != nil {
				failed.Store(&err)
				return
			}
			w.mu.Lock()
			w.tally.Connected++
			w.mu.Unlock()
			c.SendText(`{"type":"subscribe","topic":"load.*"}`)
			c.SendText(`{"type":"subscribe","topic":"load.>"}`)
		})
		if err != nil {
			return err
		}
	}
	for w.subscribed.Load() < 2*int64(count) {
		if err := failed.Load(); err != nil {
			return *err
		}
		if ctx.Err() != nil {
			return errors.New("not all subscriptions are confirmed")
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Fprintln(out, "subscribed to", args[0])
	for lines := bufio.NewScanner(in); lines.Scan(); {
		w.mu.Lock()
		data, _ := json.Marshal(&w.tally)
		w.mu.Unlock()
		fmt.Fprintf(out, "tally %s\n", data)
	}
	return nil
}

var (
	done   = []byte(`{"type":"done"`)
	gap    = []byte(`{"type":"gap"}`)
	prefix = []byte(`{"type":"message","topic":"load.`)
	middle = []byte(`"data":"`)
)

// message checks one: its data is "PUBLISHER NUMBER".
func (w *swarm) message(c engine.Conn, _ codec.Opcode, payload []byte) {
	s := c.Data().(*subscriber)
	if bytes.HasPrefix(payload, done) {
		w.subscribed.Add(1)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if bytes.Equal(payload, gap) {
		w.tally.Gaps++
		return
	}
	at := bytes.Index(payload, middle)
	if !bytes.HasPrefix(payload, prefix) || at < 0 {
		w.tally.Other++
		return
	}
	publisher, rest, _ := bytes.Cut(payload[at+len(middle):], []byte(" "))
	number, _, _ := bytes.Cut(rest, []byte(`"`))
	p, err := strconv.Atoi(string(publisher))
	n, err2 := strconv.Atoi(string(number))
	if err != nil || err2 != nil || p >= publishers {
		w.tally.Other++
		return
	}
	w.tally.Received[p]++
	switch last := s.last[p]; {
	case int32(n) <= last:
		w.tally.Twice++
		return
	case last > 0:
		w.tally.Skipped += int64(int32(n) - last - 1)
	}
	s.last[p] = int32(n)
}

func (w *swarm) closed(_ engine.Conn, how engine.Closure) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tally.Closed++
	if how.Code == codec.StatusGoingAway {
		w.tally.GoneAway++
	}
}
