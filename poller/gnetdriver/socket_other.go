//go:build unix && !linux && !gnetgate

package gnetdriver

import "github.com/wsloop/wsloop/poller"

// socketState tells nothing on these systems.
func socketState(int) (poller.SocketState, error) { return poller.SocketState{}, nil }
