package engine

import "slices"

// maxEvents is how many sets of Events one byte per session can tell apart.
const maxEvents = 256

// eventsOf returns the callbacks of a connection of this loop. The loop's goroutine calls it.
func (l *loop) eventsOf(s *session) *Events { return l.events[s.events] }

// internEvents returns the number of a set of callbacks, by its address; 0 is Server.Events.
func (s *Server) internEvents(e *Events) (number uint8, ok bool) {
	if e == nil {
		return 0, true
	}
	for {
		known := s.events.Load()
		if i := slices.Index(*known, e); i >= 0 {
			return uint8(i), true
		}
		if len(*known) == maxEvents {
			return 0, false
		}
		grown := append(slices.Clone(*known), e)
		if s.events.CompareAndSwap(known, &grown) {
			return uint8(len(grown) - 1), true
		}
	}
}
