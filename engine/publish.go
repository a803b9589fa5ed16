package engine

import (
	"runtime"
	"sync"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine/internal/topic"
	"github.com/wsloop/wsloop/poller"
)

// Published says what became of a message for the subscribers of this server, as far as it is known when Publish returns.
type Published struct {
	Sent    int // leave at the end of their loop's turn
	Queued  int // wait in the engine, because their peers are slow
	Dropped int // subscribers that do not get it: by their policy, for want of memory, or amid a message in fragments
}

// Receivers is how many get the message.
func (p Published) Receivers() int { return p.Sent + p.Queued }

// Publish sends a text or binary message to all connections that subscribe to a topic, and to other servers by Server.Bridge. It
// never blocks for a peer. payload is copied once, for all of them. As with Send, that a text is valid UTF-8 is up to the caller, and so is
// the length: MaxMessageBytes is for what peers send, and for what bridges bring. The error is a *TopicError, ErrOpcode, or ErrServerClosed before the
// server serves and once Serve is about to return.
//
// All receivers of a topic get its messages in the same order, and those of one goroutine in the order of its calls. Any goroutine,
// callbacks included.
func (s *Server) Publish(name string, op codec.Opcode, payload []byte) (Published, error) {
	return s.PublishWith(name, op, payload, Delivery{})
}

// PublishWith is Publish for a message that may be dropped or replaced while it waits. d does not go to other servers, and is not
// retained.
func (s *Server) PublishWith(name string, op codec.Opcode, payload []byte, d Delivery) (Published, error) {
	return s.publish(&publication{name: name, op: op, payload: payload, delivery: d, carry: true})
}

// Publish is Server.Publish to all but the connection itself.
func (c Conn) Publish(name string, op codec.Opcode, payload []byte) (Published, error) {
	return c.PublishWith(name, op, payload, Delivery{})
}

// PublishWith is Server.PublishWith to all but the connection itself. It may be gone.
func (c Conn) PublishWith(name string, op codec.Opcode, payload []byte, d Delivery) (Published, error) {
	if c.loop == nil {
		return Published{}, ErrClosed
	}
	return c.loop.server.publish(&publication{name: name, op: op, payload: payload, delivery: d, except: c, carry: true})
}

// publication is a message on its way to the subscribers of a topic.
type publication struct {
	name     string
	op       codec.Opcode
	payload  []byte
	delivery Delivery
	except   Conn
	carry    bool // to other servers, too
	prepared *Prepared
}

// prepare encodes the message, once somebody is to get it.
func (p *publication) prepare(s *Server) *Prepared {
	if p.prepared == nil {
		p.prepared, _ = s.Prepare(p.op, p.payload) // the opcode is right
	}
	return p.prepared
}

func (s *Server) publish(p *publication) (Published, error) {
	if p.op != codec.OpcodeText && p.op != codec.OpcodeBinary {
		return Published{}, ErrOpcode
	}
	if err := topic.CheckName(p.name); err != nil {
		return Published{}, err
	}
	if s.allLoops() == nil {
		return Published{}, ErrServerClosed
	}
	ts := s.topics
	rule := ts.rule(p.name)
	o := rule.outgoing(p.name, p.op, p.delivery)
	f := fanOuts.Get().(*fanOut)
	defer f.put()
	lane := ts.lane(p.name)
	lane.Lock()
	defer lane.Unlock()
	loops := s.allLoops() // again: see endTopics
	if loops == nil {
		return Published{}, ErrServerClosed
	}
	if rule.retain {
		s.retain(p)
	}
	for _, l := range loops {
		f.run(l, p, o)
	}
	s.counters.published.Add(1)
	s.counters.deliveries.Add(uint64(f.result.Receivers()))
	s.counters.undelivered.Add(uint64(f.result.Dropped))
	if p.carry {
		s.carry(p)
	}
	return f.result, nil
}

// fanOut is the scratch space of one Publish.
type fanOut struct {
	sets    []*topic.Set
	members []uint64
	result  Published
}

var fanOuts = sync.Pool{New: func() any { return new(fanOut) }}

// maxScratchMembers bounds what is kept of it.
const maxScratchMembers = 1 << 20

func (f *fanOut) put() {
	clear(f.sets)
	f.sets, f.members, f.result = f.sets[:0], f.members[:0], Published{}
	if cap(f.members) <= maxScratchMembers {
		fanOuts.Put(f)
	}
}

// fanOutChunk is how many connections get a message while the lock of their loop is held.
const fanOutChunk = 512

// run puts a message into the outbox of a loop for each of its subscribers, and wakes the loop once, without its lock.
func (f *fanOut) run(l *loop, p *publication, o *outgoing) {
	l.mu.Lock()
	any := f.place(l, p, o)
	l.mu.Unlock()
	if any {
		l.driver.Wake()
	}
}

// place does so, and says whether there is a subscriber. loop.mu is held, and not while something takes long.
func (f *fanOut) place(l *loop, p *publication, o *outgoing) bool {
	if l.topics.Len() == 0 {
		return false
	}
	f.sets = l.topics.Match(p.name, f.sets[:0])
	f.members = l.topics.Union(f.sets, f.members[:0])
	if len(f.members) == 0 {
		return false
	}
	version, changed := l.topicsVersion, false
	if p.prepared == nil {
		l.mu.Unlock() // copying may take long
		p.prepare(l.server)
		l.mu.Lock()
	}
	prepared := p.prepared
	for i, member := range f.members {
		if i > 0 && i%l.settings.fanOutChunk == 0 {
			l.mu.Unlock() // others want to send, too
			runtime.Gosched()
			l.mu.Lock()
		}
		t := poller.Token(member)
		if bits := l.classFor(t, o, prepared); bits != 0 && !prepared.class(bits).done.Load() {
			l.mu.Unlock() // compressing takes long
			prepared.class(bits).compress(prepared, bits)
			l.mu.Lock()
		}
		if version != l.topicsVersion { // since it was unlocked
			version, changed = l.topicsVersion, true
			f.sets = l.topics.Match(p.name, f.sets[:0])
		}
		if t == p.except.token && l == p.except.loop || changed && !l.topics.Receives(t.Slot(), p.name, f.sets) {
			continue
		}
		f.count(l.placePrepared(Conn{l, t}, o, prepared))
	}
	return true
}

func (f *fanOut) count(sent Sent, err error) {
	switch {
	case err == ErrClosed:
	case err != nil:
		f.result.Dropped++
	case sent.Queued > 0:
		f.result.Queued++
	default:
		f.result.Sent++
	}
}
