//go:build !windows && !gnetgate

package engine

import (
	"log/slog"

	"github.com/wsloop/wsloop/poller"
)

// newSockets makes the lowest driver of servers that are not given one.
func newSockets(o poller.Options, _ *slog.Logger) (poller.ListenerDriver, error) {
	return poller.NewNative(o)
}
