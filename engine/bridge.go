package engine

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/wsloop/wsloop/codec"
)

// A Bridge carries messages between servers, so that one that is published on any reaches the subscribers of all. It
// has each server receive only what its connections want. contrib/nats and contrib/redis are bridges.
//
// None of its methods waits for the network, and Publish must not call BridgeReceiver.Deliver, nor wait for somebody who does: it is called
// with the topic locked, as is Deliver, so two servers that bring each other their messages in this way wait for each other for ever. While the others cannot be reached, a bridge drops what it is to carry, counts that, and
// tries to get back on its own.
type Bridge interface {
	// Open begins. Messages from other servers are brought to r, from any goroutine; those of one topic in order. An error is one of
	// configuration, and keeps the server from starting: others that cannot be reached are none.
	Open(r BridgeReceiver) error
	// Interest says that connections of this server begin to want the topics that match a pattern, or that none does any
	// more. The calls for one pattern alternate and come one after another. Patterns may overlap; a message that several match is to be brought once.
	Interest(pattern string, wanted bool)
	// Publish takes a message for other servers. payload is valid until it returns. It is called for messages of one topic in their
	// order, from any goroutine. An error means that it was dropped.
	Publish(name string, op codec.Opcode, payload []byte) error
	// Close ends it, when the last callback has returned: nothing is published any more. Nothing is brought once it has returned.
	Close() error
}

// A BridgeReceiver is a Server as its Bridge sees it. Any goroutine may call it.
type BridgeReceiver interface {
	// Deliver brings a message from another server: payload is valid until it returns. What no client could have sent here, or
	// could be sent, is refused: a *TopicError, ErrOpcode, or ErrForeign.
	Deliver(name string, op codec.Opcode, payload []byte) error
	// Gap says that messages from others may have been missed.
	Gap()
}

// ErrForeign refuses a message from another server that is longer than Server.MaxMessageBytes, or a text that is not UTF-8.
var ErrForeign = errors.New("engine: message from another server is too long or not valid")

// interest counts which patterns the loops have subscribers of, and tells the bridge.
type interest struct {
	mu     sync.Mutex
	bridge Bridge // nil without one
	// loops may be below 0 for a moment: loops count in and out when they have unlocked their tables, in any order.
	loops map[string]int
	held  *atomic.Int64 // counts what is in loops
}

// interestBytes is about what a pattern takes in interest.loops beside its text.
const interestBytes = 64

// change counts a loop in (by 1) that has a first subscriber of a pattern, or out (by -1). Neither loop.mu nor a lane is held,
// for the bridge is called.
func (i *interest) change(pattern string, by int) {
	if i.bridge == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.loops[pattern]
	after := before + by
	switch {
	case after == 0:
		delete(i.loops, pattern)
		i.held.Add(-int64(interestBytes + len(pattern)))
	case before == 0:
		i.loops[strings.Clone(pattern)] = after // pattern may be part of something long
		i.held.Add(int64(interestBytes + len(pattern)))
	default:
		i.loops[pattern] = after
	}
	if (before > 0) != (after > 0) {
		i.bridge.Interest(pattern, after > 0)
	}
}

// openBridge opens Server.Bridge. Topics whose messages are retained are wanted always, so that later subscribers find the last one.
func (s *Server) openBridge() error {
	if s.Bridge == nil {
		return nil
	}
	if err := s.Bridge.Open((*receiver)(s)); err != nil {
		return err
	}
	in := &s.topics.interest
	in.bridge, in.loops, in.held = s.Bridge, make(map[string]int), &s.budget.held
	for i := range s.topics.rules {
		if rule := &s.topics.rules[i]; rule.retain {
			in.change(rule.pattern, 1)
		}
	}
	return nil
}

// carry gives a message to the bridge. The lane of the topic is held.
func (s *Server) carry(p *publication) {
	if s.Bridge == nil {
		return
	}
	if err := s.Bridge.Publish(p.name, p.op, p.payload); err != nil {
		s.counters.uncarried.Add(1)
	}
}

// endTopics has Publish refuse from now on, and closes Server.Bridge when no Publish is on its way any more. The loops
// and the workers are over.
func (s *Server) endTopics() {
	s.running.Store(nil)
	s.topics.holdBack(">")()
	if s.Bridge == nil {
		return
	}
	if err := s.Bridge.Close(); err != nil {
		s.logger().Error("wsloop: closing the bridge", slog.Any("error", err))
	}
}

// receiver is a Server as its bridge sees it.
type receiver Server

// Deliver implements BridgeReceiver.
func (r *receiver) Deliver(name string, op codec.Opcode, payload []byte) error {
	s := (*Server)(r)
	if uint64(len(payload)) > s.settings.codec.MessageBytes || op == codec.OpcodeText && !utf8.Valid(payload) {
		s.counters.foreign.Add(1)
		return ErrForeign
	}
	_, err := s.publish(&publication{name: name, op: op, payload: payload})
	if err != nil && err != ErrServerClosed {
		s.counters.foreign.Add(1)
	}
	return err
}

// Gap implements BridgeReceiver.
func (r *receiver) Gap() {
	s := (*Server)(r)
	s.counters.gaps.Add(1)
	if s.BridgeGap != nil {
		s.BridgeGap()
	}
}
