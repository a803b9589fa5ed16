package suite

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
)

// Order has all publish at once: each gets what the others published, once and in the order of each topic of each of them.
func (k Kind) Order(t *testing.T) {
	s := k.Start(t, 0)
	const nodes, topics, each = 3, 4, 2000
	var bridges []Bridge
	var recorders []*bridgetest.Recorder
	for i := range nodes {
		b, r := k.open(t, fmt.Sprint(i), Options{URL: s.URL()}, "t.*", "t.>")
		bridges, recorders = append(bridges, b), append(recorders, r)
	}
	for i := range nodes {
		Await(t, s, fmt.Sprint(i), 2)
	}
	var wg sync.WaitGroup
	for i, b := range bridges {
		for topic := range topics {
			wg.Go(func() {
				for n := range each {
					b.Publish(fmt.Sprintf("t.%d", topic), codec.OpcodeBinary, fmt.Appendf(nil, "%d %d", i, n))
				}
			})
		}
	}
	wg.Wait()
	for i, r := range recorders {
		bridgetest.Eventually(t, "all messages of others", func() bool { return r.Count() >= (nodes-1)*topics*each })
		next := make(map[string]int)
		for _, m := range r.All() {
			at := strings.LastIndexByte(m, ' ')
			if want := fmt.Sprint(next[m[:at]]); m[at+1:] != want {
				t.Fatalf("node %d: %q, want %s", i, m, want)
			}
			next[m[:at]]++
		}
		if len(next) != (nodes-1)*topics { // none of its own
			t.Errorf("node %d got %d streams", i, len(next))
		}
		echoes := uint64(0)
		if k.Echoes {
			echoes = 2 * topics * each
		}
		bridgetest.Eventually(t, "all of its own that came back were dropped", func() bool { return bridges[i].Stats().Echoes >= echoes })
		if n := bridges[i].Stats().Echoes; n != echoes {
			t.Errorf("the broker sent %d messages back", n)
		}
	}
}

// Late has messages come again and out of order, as when their server has connected again, or has moved in a cluster.
func (k Kind) Late(t *testing.T) {
	s := k.Start(t, 0)
	b, got := k.open(t, "b", Options{URL: s.URL()}, ">")
	Await(t, s, "b", 1)
	for _, sequence := range []uint64{1, 3, 3, 2, 3, 4, 1} {
		s.Publish(t, "wsloop.a", Forge(9, sequence, fmt.Sprint(sequence)))
	}
	s.Publish(t, "wsloop.a", Forge(8, 1, "other"))
	bridgetest.Eventually(t, "all is judged", func() bool { return b.Stats().Late == 2 && b.Stats().Received == 4 && b.Stats().Gaps > 0 })
	all := slices.DeleteFunc(got.All(), func(m string) bool { return m == "gap" })
	if !slices.Equal(all, []string{"a 1", "a 3", "a 4", "a other"}) || b.Stats().Duplicates != 2 {
		t.Errorf("%q %+v", all, b.Stats())
	}
}
