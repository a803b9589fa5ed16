package engine

import (
	"sync"

	"github.com/wsloop/wsloop/engine/internal/topic"
)

// retained are the last messages of the topics that keep them, each with what it was compressed to.
type retained struct {
	mu      sync.Mutex
	names   topic.Retained[*Prepared]
	frames  int64 // bytes of the messages, which the budget counts because they are held
	n       int   // of them
	metered int   // what the budget counts besides
	most    int64
}

// preparedBytes is about what a Prepared takes beside its frame, its part of classes included.
const preparedBytes = 192

// bytes is what counts against Server.MaxRetainedBytes. mu is held.
func (r *retained) bytes() int64 { return r.frames + int64(r.metered) }

// meter tells the budget. mu is held.
func (r *retained) meter(b *budget) { b.account(&r.metered, r.names.Bytes()+r.n*preparedBytes) }

// hold counts a message. mu is held.
func (r *retained) hold(p *Prepared) {
	p.kept = true
	p.hold()
	r.frames += int64(len(p.frame))
	r.n++
}

// release takes back hold, for what p was compressed to as well. mu is held.
func (r *retained) release(p *Prepared) {
	p.kept = false
	p.release()
	r.frames -= int64(len(p.frame))
	r.n--
	if all := p.smaller.Load(); all != nil {
		for i := range all {
			if small := all[i].prepared; small != nil && small.kept {
				r.release(small)
			}
		}
	}
}

// retain keeps a message in place of the one before, which goes in any case. The lane of the topic is held.
func (s *Server) retain(p *publication) {
	r := &s.topics.retained
	prepared := p.prepare(s)
	r.mu.Lock()
	defer r.mu.Unlock()
	if before, ok := r.names.Set(p.name, prepared); ok {
		r.release(before)
	}
	r.hold(prepared)
	r.meter(&s.budget)
	if r.bytes() > r.most || s.budget.over() {
		r.drop(p.name, &s.budget)
		s.counters.unretained.Add(1)
	}
}

// drop forgets the message of a topic, if there is one. mu is held.
func (r *retained) drop(name string, b *budget) {
	if before, ok := r.names.Delete(name); ok {
		r.release(before)
		r.meter(b)
	}
}

// keepSmaller notes in a class what a message was compressed to. It is retained as long as the message is; if there is no room
// for that, the message is sent as it is.
func (s *Server) keepSmaller(k *class, whole, small *Prepared) {
	r := &s.topics.retained
	r.mu.Lock()
	defer r.mu.Unlock()
	if whole.kept {
		n := len(small.frame) + preparedBytes
		if r.bytes()+int64(n) > r.most || !s.budget.allows(n) {
			return
		}
		r.hold(small)
		r.meter(&s.budget)
	}
	k.prepared = small
}

// DropRetained forgets the retained messages of the topics that match a pattern, and says whether there were any. Other servers
// keep theirs. Any goroutine.
func (s *Server) DropRetained(pattern string) bool {
	if s.allLoops() == nil || topic.CheckPattern(pattern) != nil {
		return false
	}
	defer s.topics.holdBack(pattern)()
	r := &s.topics.retained
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	r.names.Match(pattern, func(name string, _ *Prepared) bool {
		names = append(names, name)
		return true
	})
	for _, name := range names {
		r.drop(name, &s.budget)
	}
	return len(names) > 0
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
		switch _, err := c.sendPrepared(m.prepared, o); err {
		case nil:
		case ErrClosed:
			return // by its policy, or the peer is gone: publishers wait for the lanes
		default:
			c.loop.server.counters.undelivered.Add(1) // what becomes of it is the policy's
		}
	}
}
