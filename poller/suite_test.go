//go:build linux

package poller_test

import (
	"sync/atomic"
	"testing"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/pollertest"
)

// TestDrivers holds the native driver to the suite over each mechanism, and over
// sockets that fragment everything.
func TestDrivers(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(poller.Options) (*poller.Native, error)
	}{
		{"Epoll", poller.NewNative},
		{"Kqueue", poller.NewNativeOverKqueue},
		{"ShortReadsAndWrites", poller.NewNativeShort},
	} {
		t.Run(test.name, func(t *testing.T) {
			pollertest.Run(t, func(t testing.TB, loops int) poller.ListenerDriver {
				t.Helper()
				meter := new(atomic.Int64)
				d, err := test.make(poller.Options{Loops: loops, Meter: meter})
				if err != nil {
					t.Fatal(err)
				}
				// By then the suite has stopped the driver.
				t.Cleanup(func() {
					if n := meter.Load(); n != 0 {
						t.Errorf("the meter says %d at the end, want 0", n)
					}
				})
				return d
			})
		})
	}
}
