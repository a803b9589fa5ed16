package engine

import (
	"net/netip"
	"strconv"

	"github.com/wsloop/wsloop/poller"
)

// DefaultMaxConnections is MaxConnections unless set: what the limit on descriptors leaves now, or
// Unlimited if there is none.
func DefaultMaxConnections() int {
	limit := poller.DescriptorLimit()
	if limit == 0 {
		return Unlimited
	}
	return max(limit-max(limit/16, 32), 1)
}

// admit decides whether a connection that was just accepted may stay, before anything of it
// is read. live counts it already; it is 0 for one that has its place, under net/http until now.
func (l *loop) admit(t poller.Token, s *session, live int64) {
	o := l.settings
	counters := &l.server.counters
	switch {
	case live-o.maxConnections > o.maxConnections/32+reserveConnections:
		// Even telling so many that there is no room would take descriptors.
		counters.refusedConnections.Add(1)
		s.phase = phaseDiscarding
		l.driver.Close(t, ErrTooMany)
	case live > o.maxConnections:
		counters.refusedConnections.Add(1)
		l.refuseBusy(t, s, 503, "503 Service Unavailable: too many connections.\n")
	case l.server.budget.tight():
		counters.refusedMemory.Add(1)
		l.refuseBusy(t, s, 503, "503 Service Unavailable: short of memory.\n")
	case l.server.sources != nil && l.termsOf(t).source == 0:
		l.admitSource(t, s)
	}
}

// reserveConnections is how many connections above the limit are told so at least. With the
// default limit that leaves half of the descriptors in reserve to others.
const reserveConnections = 8

// admitSource counts a connection for its source, unless a proxy has to tell yet whose it is.
func (l *loop) admitSource(t poller.Token, s *session) {
	addr, err := l.driver.RemoteAddr(t)
	if err != nil {
		return // it is gone already, and the loop is about to hear of it
	}
	if !l.isRelay(t, addr.Addr()) {
		l.countFor(t, s, addr.Addr())
	}
}

// countFor counts a connection for an address. Without ok it was refused.
func (l *loop) countFor(t poller.Token, s *session, addr netip.Addr) (ok bool) {
	index, verdict := l.server.sources.admit(addr, l.driver.Now())
	l.termsOf(t).source = index
	switch verdict {
	case admitted:
		return true
	case tooFast:
		l.server.counters.refusedSources.Add(1)
		l.refuseBusy(t, s, 429, "429 Too Many Requests: too many new connections from this address.\n")
	default:
		l.server.counters.refusedSources.Add(1)
		l.refuseBusy(t, s, 503, "503 Service Unavailable: too many connections from this address.\n")
	}
	return false
}

// refuseBusy answers a connection whose request was not looked at, and asks it to come back
// after 5 to 14 seconds, so that those refused do not come back together.
func (l *loop) refuseBusy(t poller.Token, s *session, status int, body string) {
	l.header.Reset()
	_ = l.header.Add("Retry-After", strconv.Itoa(5+l.random.IntN(10)))
	l.respond(t, s, status, body)
}
