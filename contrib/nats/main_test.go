package nats

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"

	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
)

// TestMain fails the run when a bridge left a goroutine behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := bridgetest.Leaks("wsloop/", "nats.go"); left != "" {
			fmt.Fprintln(os.Stderr, left)
			code = 1
		}
	}
	os.Exit(code)
}

// beat is the heartbeat of bridges in tests in which NATS goes silent.
const beat = 100 * time.Millisecond

// calm has a bridge wait for NATS as long as tests do, unless they want heartbeats: a busy machine is no outage.
func calm(o Options) Options {
	if o.Heartbeat == 0 {
		o.Heartbeat = bridgetest.Patience
		o.Client = append(o.Client, client.Timeout(bridgetest.Patience))
	}
	o.Logger = slog.New(slog.DiscardHandler)
	return o
}

// opened makes a bridge and opens it, and closes it at the end of the test.
func opened(t *testing.T, name string, o Options, patterns ...string) (*Bridge, *bridgetest.Recorder) {
	t.Helper()
	o = calm(o)
	o.Name = name
	if o.MaxBackoff == 0 {
		o.MaxBackoff = 200 * time.Millisecond
	}
	if o.CloseTimeout == 0 {
		o.CloseTimeout = 100 * time.Millisecond
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r := new(bridgetest.Recorder)
	if err := b.Open(r); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	for _, pattern := range patterns {
		b.Interest(pattern, true)
	}
	return b, r
}

// sums is how many messages that were published here are counted.
func sums(b *Bridge) uint64 {
	s := b.Stats()
	return s.Carried + s.Unconfirmed + s.Missed + s.Dropped + s.TooLong + s.Unsendable
}

// checkArrived waits until b has everything that a alone has published and counts as carried, and checks that it has nothing else but what a
// counts as unconfirmed.
func checkArrived(t *testing.T, a, b *Bridge) {
	t.Helper()
	bridgetest.Eventually(t, "what is carried has arrived", func() bool { return b.Stats().Received >= a.Stats().Carried })
	if st, sb := a.Stats(), b.Stats(); sb.Received > st.Carried+st.Unconfirmed {
		t.Errorf("%+v arrived: %+v", sb, st)
	}
}
