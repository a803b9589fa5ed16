package tlsdriver_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// A leapDriver is the native driver with a clock that a test can set forward, so that no deadline passes before the test says so.
type leapDriver struct {
	*poller.Native
	leap atomic.Int64
}

// newLeapingRig is newRig over one.
func newLeapingRig(t testing.TB, o tlsdriver.Options, loops int) (*rig, *leapDriver) {
	t.Helper()
	inner := &leapDriver{}
	d := wrapInner(t, loops, o, func(native *poller.Native) poller.Driver {
		inner.Native = native
		return inner
	})
	return serveRig(t, d, loops, nil), inner
}

// Serve implements poller.Driver.
func (d *leapDriver) Serve(newHandler func(poller.Loop) poller.Handler) error {
	return d.Native.Serve(func(l poller.Loop) poller.Handler {
		return leapHandler{newHandler(leapLoop{l, d}), d}
	})
}

type leapLoop struct {
	poller.Loop
	driver *leapDriver
}

// Now implements poller.Loop.
func (l leapLoop) Now() time.Duration { return l.Loop.Now() + time.Duration(l.driver.leap.Load()) }

type leapHandler struct {
	poller.Handler
	driver *leapDriver
}

// Tick implements poller.Handler.
func (h leapHandler) Tick(now time.Duration) {
	h.Handler.Tick(now + time.Duration(h.driver.leap.Load()))
}
