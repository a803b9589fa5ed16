package engine

import (
	"net/netip"
	"time"
)

type SourceLimits struct {
	Connections int
	Handshakes  Rate
}
type (
	sources   struct{}
	admission uint8
)

const (
	admitted admission = iota
	tooManyConnections
	tooFast
	tableFull
)

func newSources(a, b SourceLimits) *sources { return nil }
func (s *sources) admit(addr netip.Addr, now time.Duration) (uint32, admission) {
	return 0, admitted
}
func (s *sources) release(i uint32) {}
