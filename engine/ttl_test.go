package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// sendFor sends a message with a time to live of its own.
func (st *slowTest) sendFor(i int, ttl time.Duration) {
	st.Helper()
	st.queued += messageBytes
	if sent, err := st.c.SendWith(codec.OpcodeText, []byte(payloadOf(i)), Delivery{TTL: ttl}); err != nil || sent.Queued != st.queued {
		st.Errorf("message %d: %+v, %v", i, sent, err)
	}
}

// A message that has waited for longer than it may is not sent: the server's time to live holds for all, a
// connection's instead of it, and a message's instead of both. None is dropped early, or late by more
// than two ticks.
func TestTimeToLive(t *testing.T) {
	const ttl = 2 * time.Second
	set := Overflow{Policy: OverflowDropNewest, TTL: ttl}
	for name, test := range map[string]struct {
		server, own Overflow
		message     time.Duration
	}{
		"server":     {server: set},
		"connection": {server: Overflow{TTL: time.Hour}, own: set},
		"message":    {server: Overflow{TTL: time.Hour}, own: Overflow{TTL: time.Minute}, message: ttl},
	} {
		for wait, arrives := range map[time.Duration]bool{ttl - 1: true, ttl + 2*tick: false} {
			st := newSlowTest(t, &Server{Overflow: test.server})
			if test.own != (Overflow{}) {
				if err := st.c.SetOverflow(test.own); err != nil {
					t.Error(err)
				}
			}
			st.sendFor(1, test.message)
			st.sendFor(2, test.message)
			st.sendFor(3, time.Hour)
			st.pass(wait)
			if arrives {
				st.expect(1, 2, 3)
				st.counts(Stats{})
				continue
			}
			st.expect(3)
			if n := st.server.Stats().Expired; n != 2 {
				t.Errorf("%s: %d expired", name, n)
			}
			st.dropped(2)
		}
	}
}

// What is out of date makes room, also behind a message that is not, so that nobody is closed for it.
func TestExpiredMessagesMakeRoom(t *testing.T) {
	for policy := OverflowClose; policy <= OverflowKeepLatest; policy++ {
		st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(4), Overflow: Overflow{Policy: policy}})
		st.queue(1, 1)
		st.sendFor(2, time.Second)
		st.sendFor(3, time.Second)
		st.queue(4, 4)
		st.pass(2 * time.Second)
		st.queued -= 2 * messageBytes
		st.queue(5, 6)
		st.counts(Stats{Expired: 2})
		st.dropped(2)
		st.expect(1, 4, 5, 6)
		if st.drained != 1 {
			t.Errorf("%v: Drained was called %d times", policy, st.drained)
		}
	}
}

// When all that waited is out of date, the connection is drained all the same.
func TestAllExpired(t *testing.T) {
	st := newSlowTest(t, &Server{Overflow: Overflow{TTL: time.Second}})
	st.queue(1, 3)
	st.pass(time.Minute / 4)
	st.expect()
	st.counts(Stats{Expired: 3})
	if st.drained != 1 {
		t.Errorf("Drained was called %d times", st.drained)
	}
}

// The newest message of a key has its own time to live.
func TestTimeToLiveOfAReplacement(t *testing.T) {
	st := newSlowTest(t, &Server{Overflow: Overflow{Policy: OverflowKeepLatest}})
	send := func(key string, i int, ttl time.Duration) {
		_, _ = st.c.SendWith(codec.OpcodeText, []byte(payloadOf(i)), Delivery{Key: key, TTL: ttl})
	}
	send("a", 1, time.Second)
	send("b", 2, time.Hour)
	send("c", 3, time.Second)
	st.pass(tick)
	send("a", 4, 0)
	send("b", 5, time.Second)
	st.pass(2 * time.Second)
	send("c", 6, 0)
	st.expect(4, 6)
	st.counts(Stats{Replaced: 2, Expired: 2})
}

// A fragment and a Close frame are never out of date.
func TestFragmentsDoNotExpire(t *testing.T) {
	st := newSlowTest(t, &Server{Overflow: Overflow{TTL: time.Second}, WriteTimeout: Never, PingInterval: Never})
	w, err := st.c.NewWriter(codec.OpcodeText)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte("frag"))
	_ = w.Close()
	_, _ = st.c.SendText("message")
	_ = st.c.Close(codec.StatusNormalClosure, "")
	st.pass(3 * time.Second)
	st.queued = 0
	st.want = append(st.want, `text fin=false of 4 bytes "frag"`, `continuation fin=true of 0 bytes ""`, `close 1000 ""`)
	st.expect()
}

// A connection can have a policy of its own, at any time.
func TestSetOverflow(t *testing.T) {
	st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(2)})
	st.queue(1, 2)
	for _, o := range []Overflow{{Policy: OverflowKeepLatest}, {Policy: OverflowDropOldest}, {Policy: OverflowDropNewest}} {
		if err := st.c.SetOverflow(o); err != nil {
			t.Error(err)
		}
		sent, err := st.c.SendWith(codec.OpcodeText, []byte(payloadOf(3)), Delivery{Key: "k"})
		if o.Policy == OverflowDropNewest {
			st.refused(sent, err, ErrBufferFull)
		} else if err != nil || sent.Dropped != 1 {
			t.Errorf("%v: %+v, %v", o.Policy, sent, err)
		}
	}
	if err := st.c.SetOverflow(Overflow{}); err != nil {
		t.Error(err)
	}
	if sent, err := st.c.SendText(payloadOf(4)); !errors.Is(err, ErrTooSlow) || sent.Dropped != 2 {
		t.Errorf("back to the server's: %+v, %v", sent, err)
	}
	var config *ConfigError
	for _, o := range []Overflow{{Policy: OverflowKeepLatest + 1}, {TTL: -1}, {Code: 1005}, {Code: 999}} {
		if err := st.c.SetOverflow(o); !errors.As(err, &config) {
			t.Errorf("%+v: %v", o, err)
		}
		if err := (&Server{Overflow: o}).check(); !errors.As(err, &config) {
			t.Errorf("a server with %+v: %v", o, err)
		}
	}
	st.drain(st.c.token)
	st.eof(st.c.token)
	for _, gone := range []Conn{st.c, {}} {
		if err := gone.SetOverflow(Overflow{}); !errors.Is(err, ErrClosed) {
			t.Errorf("%v: %v", gone, err)
		}
	}
}

// A server tells 255 policies apart besides its own. The 256th is refused, those known stay good, and each is
// what it was.
func TestManyPolicies(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events()}
	m := newMemory(t, s)
	c := m.conn(tr)
	policy := func(i int) Overflow { return Overflow{Policy: OverflowDropOldest, TTL: time.Duration(i) * time.Second} }
	for i := range 2 * maxOverflows {
		if err := c.SetOverflow(policy(i % (maxOverflows - 1))); err != nil {
			t.Fatalf("policy %d: %v", i, err)
		}
	}
	if err := c.SetOverflow(policy(maxOverflows - 1)); !errors.Is(err, errOverflows) {
		t.Errorf("one more: %v", err)
	}
	if err := c.SetOverflow(s.Overflow); err != nil {
		t.Errorf("the server's own: %v", err)
	}
	for i := range maxOverflows - 1 {
		if n, ok := s.internOverflow(policy(i)); !ok || *s.overflow(n) != policy(i) {
			t.Errorf("policy %d is %+v, %t", i, *s.overflow(n), ok)
		}
	}
}

func TestOverflowPolicyNames(t *testing.T) {
	got := fmt.Sprint(OverflowClose, OverflowDropNewest, OverflowDropOldest, OverflowKeepLatest, OverflowPolicy(9))
	if got != "close drop-newest drop-oldest keep-latest unknown" {
		t.Error(got)
	}
}
