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

// A watch has the connections that watch a topic, and the count that each was sent last: none yet is uncounted.
type watch map[engine.Conn]int

const uncounted = -1

// countInterval is the least time between two counts of a topic.
const countInterval = 200 * time.Millisecond

var (
	errNotWatched = errors.New("the topic is not watched")
	errWatches    = errors.New("too many topics are watched")
)

// watch has a connection told how many subscribers a topic has, soon and whenever that has changed.
func (s *Service) watch(c engine.Conn, name string) error {
	if err := engine.CheckTopic(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, already := s.watches[name][c]; already {
		return nil
	}
	if len(s.conns[c]) >= cmp.Or(s.server.MaxSubscriptions, engine.DefaultMaxSubscriptions) {
		return errWatches
	}
	if s.watches[name] == nil {
		s.watches[name] = make(watch)
	}
	s.watches[name][c] = uncounted
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
	s.mu.Lock()
	defer s.mu.Unlock()
	var message *engine.Prepared
	for c, known := range s.watches[name] {
		if known == n {
			continue
		}
		if message == nil {
			message = s.prepare(object(nil).text("type", "count").text("topic", name).number("subscribers", n).end())
		}
		switch _, err := c.SendPrepared(message, engine.Delivery{Key: "count of " + name}); err {
		case nil:
			s.watches[name][c] = n
		case engine.ErrClosed:
		default:
			s.changed[name] = true
		}
	}
}
