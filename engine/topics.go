package engine

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine/internal/topic"
	"github.com/wsloop/wsloop/poller"
)

// A Topic says what holds for messages to the topics that match a pattern. Of several that match, the first in
// Server.Topics counts.
type Topic struct {
	Pattern string
	// Overflow is what becomes of messages for peers that are slow, in place of the policy of each connection; nil leaves it to that. Messages
	// under another policy are not dropped for these, unless theirs has them dropped.
	Overflow *Overflow
	// Conflate has a message take the place of the one of the same topic that waits for a slow peer. Overflow is OverflowKeepLatest then, if not set.
	Conflate bool
	// Retain keeps the last message of each topic, and sends it to those who subscribe later.
	Retain bool
}

// ErrSubscriptions reports that a connection has as many subscriptions as it may have (Server.MaxSubscriptions).
var ErrSubscriptions = topic.ErrLimit

// A TopicError says why the name of a topic, or a pattern, is refused.
type TopicError = topic.Error

// CheckTopic says whether messages can be published to a name; the error is a *TopicError.
func CheckTopic(name string) error { return topic.CheckName(name) }

// topicRule is a Topic as it is used.
type topicRule struct {
	pattern  string
	overflow uint16 // see outgoing.overflow
	conflate bool
	retain   bool
}

// laneCount is how many topics can be published to at once. Those that share a lane take turns.
const laneCount = 64

// topics are what the loops share of topics. Each loop has the subscriptions of its connections.
type topics struct {
	rules []topicRule
	limit int          // of subscriptions of one connection
	depth int          // tokens of a pattern with wildcards
	bytes atomic.Int64 // of the subscriptions of all loops
	most  int64        // of bytes
	seed  maphash.Seed
	// lanes order what is published to a topic: all receivers see the same order, and a retained message is the last one. A lane is
	// locked before loop.mu, and never held over a callback.
	lanes    [laneCount]sync.Mutex
	retained retained
	interest interest
}

func (ts *topics) lane(name string) *sync.Mutex {
	return &ts.lanes[maphash.String(ts.seed, name)%laneCount]
}

// rule finds what holds for a topic.
func (ts *topics) rule(name string) *topicRule {
	for i := range ts.rules {
		if topic.Matches(ts.rules[i].pattern, name) {
			return &ts.rules[i]
		}
	}
	return &topicRule{}
}

// outgoing is a message to a topic on its way out.
func (r *topicRule) outgoing(name string, op codec.Opcode, d Delivery) *outgoing {
	o := message(op, d)
	o.overflow = r.overflow
	if r.conflate {
		o.delivery.Key = name
	}
	return o
}

// newTopics checks the configuration.
func (s *Server) newTopics() (*topics, error) {
	ts := &topics{
		limit: orDefault(s.MaxSubscriptions, DefaultMaxSubscriptions), depth: orDefault(s.MaxWildcardTokens, DefaultMaxWildcardTokens),
		seed: maphash.MakeSeed(),
	}
	memory := orDefault(s.MaxMemoryBytes, defaultMemory())
	ts.retained.most = orDefault(s.MaxRetainedBytes, min(DefaultMaxRetainedBytes, memory/4))
	if ts.retained.most > memory/2 {
		return nil, &ConfigError{"MaxRetainedBytes", "is more than half of MaxMemoryBytes, which connections need"}
	}
	ts.most = min(memory/4, memory/8*5-ts.retained.most) // together no more than budget.excess counts on
	for i := range s.Topics {
		t := &s.Topics[i]
		if err := topic.CheckPattern(t.Pattern); err != nil {
			return nil, &ConfigError{"Topics", err.Error()}
		}
		policy := t.Overflow
		if policy == nil && t.Conflate {
			policy = &Overflow{Policy: OverflowKeepLatest}
		}
		rule := topicRule{pattern: t.Pattern, conflate: t.Conflate, retain: t.Retain}
		if policy != nil {
			if err := policy.check(); err != nil {
				return nil, &ConfigError{"Topics", t.Pattern + ": " + err.Error()}
			}
			if t.Conflate && policy.Policy != OverflowKeepLatest {
				return nil, &ConfigError{"Topics", t.Pattern + ": only OverflowKeepLatest conflates"}
			}
			number, ok := s.internOverflow(*policy)
			if !ok {
				return nil, &ConfigError{"Topics", errOverflows.Error()}
			}
			rule.overflow = uint16(number) + 1
		}
		ts.rules = append(ts.rules, rule)
	}
	return ts, nil
}

// Subscribe has the connection get what is published to the topics that match a pattern, from now on; first of all the retained messages,
// if there are any: as many as find room in its buffer, by their policy, and none amid a message in fragments (Stats.Undelivered). It gets each message that is published once, however many of its patterns match. A second subscription to the same pattern
// is none. Subscriptions end with the connection. Any goroutine.
//
// The names of topics are tokens separated by dots: "rooms.5.talk". In a pattern, "*" stands for one token, and ">" as the last one for
// one or more. The error is ErrClosed, as it is before Open and once the closing handshake has begun, ErrSubscriptions, a *TopicError (also for a
// pattern with wildcards of more than Server.MaxWildcardTokens), or ErrMemory: all subscriptions of a server take at most a quarter of MaxMemoryBytes.
func (c Conn) Subscribe(pattern string) error {
	if c.loop == nil {
		return ErrClosed
	}
	if err := topic.CheckPattern(pattern); err != nil {
		return err
	}
	if err := topic.CheckDepth(pattern, c.loop.server.topics.depth); err != nil {
		return err
	}
	added, first, events, err := c.subscribe(pattern)
	if first {
		c.loop.server.topics.interest.change(pattern, 1)
	}
	if added && events.Subscribed != nil {
		events.Subscribed(c, pattern)
	}
	return err
}

func (c Conn) subscribe(pattern string) (added, first bool, events *Events, err error) {
	l, ts := c.loop, c.loop.server.topics
	retains := ts.retain(pattern)
	if retains {
		defer ts.holdBack(pattern)()
	}
	l.mu.Lock()
	s := l.sessionOf(c.token)
	if s == nil || s.sending.state != sendOpen && s.sending.state != sendFragments {
		l.mu.Unlock()
		return false, false, nil, ErrClosed
	}
	events = (*l.server.events.Load())[s.events]
	added, first, err = l.topics.Subscribe(c.token.Slot(), uint64(c.token), pattern, ts.limit)
	if added && !l.meterTopics() {
		l.topics.Unsubscribe(c.token.Slot(), pattern)
		l.meterTopics()
		l.server.counters.refusedSubscriptions.Add(1)
		added, first, err = false, false, ErrMemory
	}
	if added {
		l.topicsVersion++
		l.server.counters.subscriptions.Add(1)
	}
	l.mu.Unlock()
	if added && retains {
		c.sendRetained(pattern)
	}
	return added, first, events, err
}

// meterTopics tells the budget what the subscriptions of the loop take, and says whether they may take so much. loop.mu is held.
func (l *loop) meterTopics() bool {
	ts, b := l.server.topics, &l.server.budget
	bytes := l.topics.Bytes()
	total := ts.bytes.Add(int64(bytes - l.topicsMetered))
	b.account(&l.topicsMetered, bytes)
	return total <= ts.most && !b.over()
}

// retain says whether messages to topics that match a pattern may be retained.
func (ts *topics) retain(pattern string) bool {
	return slices.ContainsFunc(ts.rules, func(r topicRule) bool { return r.retain && topic.Overlap(r.pattern, pattern) })
}

// holdBack keeps the topics that match a pattern from being published to, until the function it returns is called.
func (ts *topics) holdBack(pattern string) (release func()) {
	if !topic.IsPattern(pattern) {
		lane := ts.lane(pattern)
		lane.Lock()
		return lane.Unlock
	}
	for i := range ts.lanes {
		ts.lanes[i].Lock()
	}
	return func() {
		for i := range ts.lanes {
			ts.lanes[i].Unlock()
		}
	}
}

// Unsubscribe ends a subscription: nothing that is published from now on is sent because of it. It says whether there was
// one. Any goroutine.
func (c Conn) Unsubscribe(pattern string) bool {
	if c.loop == nil {
		return false
	}
	l := c.loop
	l.mu.Lock()
	s := l.sessionOf(c.token)
	if s == nil {
		l.mu.Unlock()
		return false
	}
	events := (*l.server.events.Load())[s.events]
	removed, last := l.topics.Unsubscribe(c.token.Slot(), pattern)
	if removed {
		l.topicsVersion++
		l.meterTopics()
		l.server.counters.subscriptions.Add(-1)
	}
	l.mu.Unlock()
	if last {
		l.server.topics.interest.change(pattern, -1)
	}
	if removed && events.Unsubscribed != nil {
		events.Unsubscribed(c, pattern)
	}
	return removed
}

// sessionOf is the session of a live connection, of which any goroutine may see sending and events. loop.mu is held.
func (l *loop) sessionOf(t poller.Token) *session {
	if l.sendingOf(t) == nil {
		return nil
	}
	return l.sessions.At(t.Slot())
}

// Subscriptions are the patterns of the connection, in no order. Any goroutine.
func (c Conn) Subscriptions() []string {
	if c.loop == nil {
		return nil
	}
	c.loop.mu.Lock()
	defer c.loop.mu.Unlock()
	if c.loop.sendingOf(c.token) == nil {
		return nil
	}
	return c.loop.topics.Subscriptions(c.token.Slot(), nil)
}

// Subscribed says whether the connection has a subscription to exactly this pattern. Any goroutine.
func (c Conn) Subscribed(pattern string) bool {
	if c.loop == nil {
		return false
	}
	c.loop.mu.Lock()
	defer c.loop.mu.Unlock()
	return c.loop.sendingOf(c.token) != nil && c.loop.topics.Subscribed(c.token.Slot(), pattern)
}

// unsubscribe ends all subscriptions of a connection that is gone.
func (l *loop) unsubscribe(t poller.Token, s *session) {
	told := l.eventsOf(s).Unsubscribed
	ended := l.ended[:0]
	l.mu.Lock()
	l.topics.UnsubscribeAll(t.Slot(), func(pattern string, last bool) {
		ended = append(ended, subscription{pattern, last})
	})
	if len(ended) > 0 {
		l.topicsVersion++
		l.meterTopics()
		l.server.counters.subscriptions.Add(-int64(len(ended)))
	}
	l.mu.Unlock()
	for i := range ended {
		l.tellUnsubscribed(told, t, &ended[i])
	}
	clear(ended)
	l.ended = ended
}

// subscription is one that ended with its connection; last says that the loop has no other to its pattern.
type subscription struct {
	pattern string
	last    bool
}

func (l *loop) tellUnsubscribed(told func(Conn, string), t poller.Token, s *subscription) {
	defer l.recoverPanic(0)
	if s.last {
		l.server.topics.interest.change(s.pattern, -1)
	}
	if told != nil {
		told(Conn{l, t}, s.pattern)
	}
}

// Subscribers is how many connections a message to a topic would go to; those in the closing handshake, which get nothing any more, count
// until they are gone. Any goroutine.
func (s *Server) Subscribers(name string) (n int) {
	if topic.CheckName(name) != nil {
		return 0
	}
	f := fanOuts.Get().(*fanOut)
	defer f.put()
	for _, l := range s.allLoops() {
		l.mu.Lock()
		f.sets = l.topics.Match(name, f.sets[:0])
		if len(f.sets) == 1 {
			n += len(f.sets[0].Members())
		} else {
			f.members = l.topics.Union(f.sets, f.members[:0])
			n += len(f.members)
		}
		l.mu.Unlock()
	}
	return n
}
