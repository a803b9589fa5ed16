//go:build windows || gnetgate

package engine

import (
	"log/slog"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/gnetdriver"
)

// newSockets makes the lowest driver of servers that are not given one: over gnet, for there is no native driver here. Each
// listener has a goroutine of its own that accepts, whatever o.ReusePort says.
func newSockets(o poller.Options, logger *slog.Logger) (poller.ListenerDriver, error) {
	d, err := gnetdriver.New(gnetdriver.Options{Loops: o.Loops, Logger: logger})
	if err != nil {
		return nil, err
	}
	d.SetMeter(o.Meter, o.Keep)
	return d, nil
}
