package engine

import (
	"context"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// panickingDriver panics in place of serving.
type panickingDriver struct{}

func (panickingDriver) Serve(func(poller.Loop) poller.Handler) error { panic("the driver panics") }
func (panickingDriver) StopAccepting()                               {}
func (panickingDriver) Stop()                                        {}

// Shutdown does not wait for a driver that is no more.
func TestShutdownAfterADriverThatPanicked(t *testing.T) {
	s := &Server{SlowCallback: Never}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic did not come through")
			}
		}()
		_ = s.ServeDriver(panickingDriver{})
	}()
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(context.Background()) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Shutdown hangs")
	}
}
