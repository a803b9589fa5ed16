package topics

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// A watch is who is told how many subscribers a topic has.
type watch struct {
	conns map[engine.Conn]bool
	last  int // that they were told; -1 for nothing yet
}

// maxWatches is how many topics one connection may watch.
const maxWatches = engine.DefaultMaxSubscriptions

var (
	errNotSubscribed = errors.New("there is no such subscription")
	errNotWatched    = errors.New("the topic is not watched")
	errWatches       = errors.New("too many topics are watched")
	errPattern       = errors.New("only one topic can be watched, no pattern")
)

// watch has a connection told how many subscribers a topic has, now and whenever that changes.
func (s *Service) watch(c engine.Conn, name string) error {
	if strings.ContainsAny(name, "*>") {
		return errPattern
	}
	if err := engine.CheckTopic(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.conns[c]
	switch {
	case own == nil || slices.Contains(own.watches, name):
		return nil
	case len(own.watches) == maxWatches:
		return errWatches
	}
	own.watches = append(own.watches, name)
	w := s.watched[name]
	if w == nil {
		w = &watch{conns: make(map[engine.Conn]bool)}
		s.watched[name] = w
	}
	w.conns[c] = true
	w.last = -1 // so that the new one is told
	s.count(name)
	return nil
}

func (s *Service) unwatch(c engine.Conn, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.conns[c]
	i := -1
	if own != nil {
		i = slices.Index(own.watches, name)
	}
	if i < 0 {
		return errNotWatched
	}
	own.watches = slices.Delete(own.watches, i, i+1)
	s.dropWatch(c, name)
	return nil
}

// dropWatch has a connection told no more. Service.mu is held.
func (s *Service) dropWatch(c engine.Conn, name string) {
	w := s.watched[name]
	delete(w.conns, c)
	if len(w.conns) == 0 {
		delete(s.watched, name)
	}
}

// subscriptionChanged is told of every subscription that begins or ends.
func (s *Service) subscriptionChanged(_ engine.Conn, pattern string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watched[pattern] != nil {
		s.count(pattern)
		return
	}
	if strings.ContainsAny(pattern, "*>") {
		s.all = true // to compare it with each takes long where many are watched
		s.countSoon()
	}
}

// count has a topic counted soon. Service.mu is held.
func (s *Service) count(name string) {
	s.changed[name] = true
	s.countSoon()
}

// countSoon has what changed counted, unless it is about to be. Service.mu is held.
func (s *Service) countSoon() {
	if !s.counting {
		s.counting = true
		time.AfterFunc(countInterval, s.tellCounts)
	}
}

// tellCounts counts the topics that changed, and tells who watches them. Service.mu is held for one at a time: connections
// come and go meanwhile.
func (s *Service) tellCounts() {
	s.mu.Lock()
	names := slices.Collect(maps.Keys(s.changed))
	if s.all {
		names = slices.Collect(maps.Keys(s.watched))
	}
	clear(s.changed)
	s.all = false
	s.mu.Unlock()
	for _, name := range names {
		s.tellCount(name, s.server.Subscribers(name))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counting = false
	if s.all || len(s.changed) > 0 {
		s.countSoon()
	}
}

// tellCount tells those who watch a topic how many subscribers it has, if they do not know.
func (s *Service) tellCount(name string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watched[name]
	if w == nil || n == w.last {
		return
	}
	w.last = n
	p, err := s.server.Prepare(codec.OpcodeText, (&answer{Type: "count", Topic: name, Subscribers: &n}).encode())
	if err != nil {
		panic(err) // it is text
	}
	for c := range w.conns {
		_, _ = c.SendPrepared(p, engine.Delivery{Key: "count " + name})
	}
}
