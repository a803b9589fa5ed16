package topics

import (
	"fmt"
	"testing"

	"github.com/wsloop/wsloop/engine"
)

// A subscription with a wildcard has all topics counted, once: it is not compared with each of those that are watched.
func TestWildcardsChangeAll(t *testing.T) {
	s := New(&engine.Server{})
	for i := range 100 {
		s.watched[fmt.Sprint("t.", i)] = &watch{last: -1}
	}
	s.counting = true // as if a timer ran
	s.subscriptionChanged(engine.Conn{}, "t.*")
	s.subscriptionChanged(engine.Conn{}, "unwatched")
	if len(s.changed) != 0 || !s.all {
		t.Errorf("%d topics changed, all: %v", len(s.changed), s.all)
	}
	s.subscriptionChanged(engine.Conn{}, "t.1")
	s.tellCounts()
	for name, w := range s.watched {
		if w.last != 0 {
			t.Errorf("%s was not counted", name)
		}
	}
	if s.counting || s.all || len(s.changed) != 0 {
		t.Error("there is something to count yet")
	}
}
