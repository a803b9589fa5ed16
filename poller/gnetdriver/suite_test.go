package gnetdriver_test

import (
	"sync/atomic"
	"testing"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/gnetdriver"
	"github.com/wsloop/wsloop/poller/pollertest"
)

// gnet keeps a pool of goroutines, with those that look after it, and gives an idle one up after seconds.
func TestMain(m *testing.M) { pollertest.Main(m, "github.com/panjf2000/ants/v2.") }

// TestSuite skips what needs TryWrite and Dialer, which the driver has not.
func TestSuite(t *testing.T) {
	var limits []pollertest.Limit
	if !socketTells {
		limits = append(limits, pollertest.Limit{Test: "Socket", Reason: "Socket tells nothing on this system"})
	}
	pollertest.Run(t, func(t testing.TB, loops int) poller.ListenerDriver {
		t.Helper()
		d, err := gnetdriver.New(gnetdriver.Options{Loops: loops})
		if err != nil {
			t.Fatal(err)
		}
		meter := new(atomic.Int64)
		d.SetMeter(meter, 0)
		// By then the suite has stopped the driver.
		t.Cleanup(func() {
			if n := meter.Load(); n != 0 {
				t.Errorf("the meter says %d at the end, want 0", n)
			}
		})
		return d
	}, limits...)
}
