package pollertest

import (
	"slices"
	"sync"
	"testing"
)

// testFloodersShareTurns lets two clients send without end. A third must get its
// answers, and none may take a turn for itself.
func testFloodersShareTurns(t *testing.T, newDriver maker) {
	const pings = 50
	perTurn := map[*conn]int{}
	floods := 0
	e := echo()
	s := serve(t, newDriver, 1, behaviour{
		data: func(c *conn, b []byte) int {
			if perTurn[c]++; perTurn[c] > 1 {
				t.Errorf("one connection had %d calls of Data in one turn", perTurn[c])
			}
			if len(b) == 1 {
				return e.data(c, b)
			}
			floods++
			return len(b)
		},
		eof:   e.eof,
		flush: func(*handler) { clear(perTurn) },
	})
	var wg sync.WaitGroup
	defer wg.Wait()
	for range 2 {
		flooder := s.dial()
		block := make([]byte, 256<<10)
		defer flooder.Close()
		wg.Go(func() {
			for {
				if _, err := flooder.Write(block); err != nil {
					return
				}
			}
		})
	}
	s.nextOpened()
	s.nextOpened()
	client, c := s.open()
	var before, after int
	c.h.do(func() { before = floods })
	for range pings {
		client.send([]byte("p"))
		client.expect([]byte("p"))
	}
	await(t, "the flood to go on", func() bool {
		c.h.do(func() { after = floods })
		return after > before
	})
}

// testBalanceOverLoops opens idle connections one by one.
func testBalanceOverLoops(t *testing.T, newDriver maker) {
	const loops = 3
	s := serve(t, newDriver, loops, behaviour{})
	count := make([]int, loops)
	for range 25 {
		_, c := s.open()
		count[c.h.loop.Index()]++
		if slices.Max(count)-slices.Min(count) > 2 {
			t.Fatalf("the loops have %v connections", count)
		}
	}
}
