package topics

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wsloop/wsloop/engine"
)

// A watch has the connections that watch a topic, and what each was told last.
type watch map[engine.Conn]told

// told is a count as it was sent.
type told struct {
	count  int  // none yet is uncounted
	queued bool // it waited behind other messages for a slow peer, and may have been dropped
}

const uncounted = -1

// countInterval is the least time between two counts of a topic.
const countInterval = 200 * time.Millisecond

// tellAtOnce is how many are told a count before others get the lock.
const tellAtOnce = 512

var (
	errNotWatched = errors.New("the topic is not watched")
	errWatches    = errors.New("too many topics are watched")
)

// watch has a connection told how many subscribers a topic has, soon and whenever that has changed. mu is held until the answer is
// sent, so that no count overtakes it.
func (s *Service) watch(c engine.Conn, name string) error {
	if err := engine.CheckTopic(name); err != nil {
		return err
	}
	if _, already := s.watches[name][c]; already {
		return nil
	}
	if len(s.conns[c]) >= cmp.Or(s.server.MaxSubscriptions, engine.DefaultMaxSubscriptions) {
		return errWatches
	}
	if s.watches[name] == nil {
		s.watches[name] = make(watch)
	}
	s.watches[name][c] = told{count: uncounted}
	s.conns[c] = append(s.conns[c], name)
	s.changed[name] = true
	s.countSoon()
	return nil
}

func (s *Service) unwatch(c engine.Conn, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.conns[c], name)
	if i < 0 {
		return errNotWatched
	}
	s.conns[c] = slices.Delete(s.conns[c], i, i+1)
	s.dropWatch(c, name)
	return nil
}

// dropWatch has a connection told no more. mu is held.
func (s *Service) dropWatch(c engine.Conn, name string) {
	delete(s.watches[name], c)
	if len(s.watches[name]) == 0 {
		delete(s.watches, name)
	}
}

// subscriptionChanged is told of every subscription that begins or ends.
func (s *Service) subscriptionChanged(_ engine.Conn, pattern string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.watches) == 0:
		return
	case strings.ContainsAny(pattern, "*>"):
		s.all = true
	case s.watches[pattern] == nil:
		return
	default:
		s.changed[pattern] = true
	}
	s.countSoon()
}

// countSoon has tellCounts run. mu is held.
func (s *Service) countSoon() {
	if !s.counting {
		s.counting = true
		time.AfterFunc(countInterval, s.tellCounts)
	}
}

// tellCounts counts the topics that may have another count, and tells who watches them. It never runs twice at once.
func (s *Service) tellCounts() {
	for _, name := range s.takeChanged() {
		s.tellCount(name, s.server.Subscribers(name))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counting = false
	if s.all || len(s.changed) > 0 {
		s.countSoon()
	}
}

// takeChanged gives the topics that are to be counted. Those that change from now on are for the next time.
func (s *Service) takeChanged() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := slices.Collect(maps.Keys(s.changed))
	if s.all {
		names = slices.Collect(maps.Keys(s.watches))
	}
	s.changed, s.all = make(map[string]bool), false
	return names
}

// tellCount tells those who watch a topic and know another count. Who cannot be told now is told later.
func (s *Service) tellCount(name string, n int) {
	untold := s.untold(name, n)
	if len(untold) == 0 {
		return
	}
	message := s.prepare(object(nil).text("type", "count").text("topic", name).number("subscribers", n).end())
	for some := range slices.Chunk(untold, tellAtOnce) {
		s.tell(some, message, name, n)
	}
}

// untold are those who watch a topic and may not know that its count is n. A count that was queued is sent again, but not before
// nothing waits for its peer any more: there is never more than one of the same number in a buffer.
func (s *Service) untold(name string, n int) (conns []engine.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, last := range s.watches[name] {
		switch {
		case last.count == n && !last.queued:
		case last.count == n && c.Buffered() > 0:
			s.changed[name] = true
		default:
			conns = append(conns, c)
		}
	}
	return conns
}

// tell sends a count to those who still watch the topic, and have not heard it meanwhile.
func (s *Service) tell(conns []engine.Conn, message *engine.Prepared, name string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range conns {
		if last, watches := s.watches[name][c]; watches && last != (told{count: n}) {
			s.tellOne(c, message, name, n)
		}
	}
}

// tellOne sends a count. mu is held.
func (s *Service) tellOne(c engine.Conn, message *engine.Prepared, name string, n int) {
	sent, err := c.SendPrepared(message, engine.Delivery{Key: "count of " + name})
	if err == nil {
		s.watches[name][c] = told{n, sent.Queued > 0}
	}
	if err != engine.ErrClosed && (err != nil || sent.Queued > 0) {
		s.changed[name] = true
	}
}
