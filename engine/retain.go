package engine

import (
	"sync"

	"github.com/wsloop/wsloop/engine/internal/topic"
)

// retained are the last messages of the topics that keep them.
type retained struct {
	mu    sync.Mutex
	names topic.Retained[*Prepared]
	bytes int64
	most  int64
}

// retainedBytes is about what a retained message takes beside its frame and its name.
const retainedBytes = 256

func retainedCost(name string, p *Prepared) int64 {
	return int64(len(name)+len(p.frame)) + retainedBytes
}

// retain keeps a message in place of the one before, which goes in any case. The lane of the topic is held.
func (s *Server) retain(p *publication) {
	r := &s.topics.retained
	prepared := p.prepare(s)
	cost := retainedCost(p.name, prepared)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(p.name)
	if r.bytes+cost > r.most || !s.budget.allows(int(cost)) {
		s.counters.unretained.Add(1)
		return
	}
	prepared.hold()
	r.names.Set(p.name, prepared)
	r.bytes += cost
	s.budget.held.Add(cost - int64(len(prepared.frame))) // hold counts the frame
}

func (r *retained) drop(name string) bool {
	before, ok := r.names.Delete(name)
	if ok {
		cost := retainedCost(name, before)
		r.bytes -= cost
		before.server.budget.held.Add(int64(len(before.frame)) - cost)
		before.release()
	}
	return ok
}

// DropRetained forgets the retained message of a topic, and says whether there was one. Other servers keep theirs. Any goroutine.
func (s *Server) DropRetained(name string) bool {
	if s.allLoops() == nil || topic.CheckName(name) != nil {
		return false
	}
	lane := s.topics.lane(name)
	lane.Lock()
	defer lane.Unlock()
	s.topics.retained.mu.Lock()
	defer s.topics.retained.mu.Unlock()
	return s.topics.retained.drop(name)
}

// sendRetained sends a new subscriber the messages that are retained. Their lanes are held, so that none is published twice, or between.
func (c Conn) sendRetained(pattern string) {
	r := &c.loop.server.topics.retained
	type message struct {
		name     string
		prepared *Prepared
	}
	var messages []message
	r.mu.Lock()
	r.names.Match(pattern, func(name string, p *Prepared) bool {
		messages = append(messages, message{name, p})
		return true
	})
	r.mu.Unlock()
	for _, m := range messages {
		o := c.loop.server.topics.rule(m.name).outgoing(m.name, m.prepared.op, Delivery{})
		if _, err := c.sendPrepared(m.prepared, o); err != nil && err != ErrClosed {
			c.loop.server.counters.undelivered.Add(1) // what becomes of it is the policy's
		}
	}
}
