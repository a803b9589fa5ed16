package engine

import (
	"encoding/binary"
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// SourceLimits bound what comes from one source. Zero fields do not limit.
//
// A source is an address or a prefix. An address is an IPv4 address or an IPv6 /64,
// which is what one subscriber has; a prefix is an IPv4 /24 or an IPv6 /48. An IPv4-mapped IPv6
// address is the IPv4 address. A connection that comes through a trusted proxy is its client's, once the proxy has told who that is; if it
// tells nobody, it counts for no source.
type SourceLimits struct {
	Connections int  // open at the same time, their handshakes included
	Handshakes  Rate // of connections that are accepted
}

const (
	// maxSources bounds the memory for sources, at some 20 MiB. While so many are held, connections
	// from others are refused.
	maxSources = 1 << 18
	// sourcesPerAdmit is how many entries an admit looks at to find those that can go. It adds two at
	// most, so the look goes round faster than the table grows.
	sourcesPerAdmit = 8
	// clockSlack is by how much the clocks of two loops may differ. What is further back is a jump.
	clockSlack = time.Second
)

// An admission is the answer to a new connection.
type admission uint8

const (
	admitted admission = iota
	tooManyConnections
	tooFast
	tableFull
)

// String names the admission.
func (a admission) String() string {
	switch a {
	case admitted:
		return "admitted"
	case tooManyConnections:
		return "too many connections"
	case tooFast:
		return "too fast"
	case tableFull:
		return "table full"
	}
	return "unknown"
}

const (
	addressLevel = iota
	prefixLevel
	sourceLevels
)

// A sourceKey names a source. It has no padding, so that the map hashes it as one.
type sourceKey struct {
	network uint64 // the leading bits of the address, and zeros
	level   uint32
	version uint32 // 4 or 6, 0 in a free entry
}

// keysOf names the address and the prefix that addr is of.
func keysOf(addr netip.Addr) [sourceLevels]sourceKey {
	if addr = addr.Unmap(); addr.Is4() {
		b := addr.As4()
		network := uint64(binary.BigEndian.Uint32(b[:]))
		return [...]sourceKey{{network, addressLevel, 4}, {network &^ 0xff, prefixLevel, 4}}
	}
	b := addr.As16()
	network := binary.BigEndian.Uint64(b[:])
	return [...]sourceKey{{network, addressLevel, 6}, {network &^ 0xffff, prefixLevel, 6}}
}

// A source is the state of one address or prefix. It holds no pointer.
type source struct {
	key         sourceKey
	fullAt      time.Duration // when the handshakes made so far no longer count
	connections uint32
	// next is the entry of the prefix of an address that has connections, or in a
	// free entry the next free one; 0 for none.
	next uint32
}

// A quota is a SourceLimits in the units of a source. Its zero value does not limit.
type quota struct {
	connections uint32        // 0 for any number
	interval    time.Duration // between handshakes at the rate, 0 at any rate
	burst       time.Duration // the intervals of the handshakes that may come at once
}

// newQuota rounds the rate down where its interval is no whole number of nanoseconds. The limits are not negative.
func newQuota(l SourceLimits) (q quota) {
	q.connections = uint32(min(uint64(l.Connections), math.MaxUint32))
	r := l.Handshakes
	if r.PerSecond <= 0 {
		return q
	}
	if r.Burst <= 0 {
		r.Burst = r.PerSecond
	}
	const longest = math.MaxInt64 / 4 // sums with a time stay in range
	q.interval = (time.Second-1)/time.Duration(r.PerSecond) + 1
	q.burst = q.interval * min(time.Duration(r.Burst), longest/q.interval)
	return q
}

func (q *quota) unlimited() bool { return *q == quota{} }

// settle corrects a time that is further ahead than a burst can put it, because the clock jumped back.
func (q *quota) settle(e *source, now time.Duration) {
	if e.fullAt-now > q.burst+clockSlack {
		e.fullAt = now + q.burst
	}
}

// allows says whether a source may have one more connection.
func (q *quota) allows(e *source, now time.Duration) admission {
	q.settle(e, now)
	if q.connections != 0 && e.connections >= q.connections {
		return tooManyConnections
	}
	if q.interval != 0 && e.fullAt-now > q.burst-q.interval {
		return tooFast
	}
	return admitted
}

// take counts the connection.
func (q *quota) take(e *source, now time.Duration) {
	e.connections++
	e.fullAt = max(e.fullAt, now) + q.interval
}

// forgets says whether a source differs in nothing from one that was never seen.
func (q *quota) forgets(e *source, now time.Duration) bool {
	q.settle(e, now)
	return e.connections == 0 && e.fullAt <= now
}

// sources counts the connections and handshakes of every source, for all loops. A
// level without limits has no entries.
type sources struct {
	quotas [sourceLevels]quota
	limit  int // maxSources

	mu      sync.Mutex // guards what follows
	index   map[sourceKey]uint32
	entries poller.Slab[source] // from 1
	made    uint32              // the entries that exist
	free    uint32              // the first free one, 0 for none
	looked  uint32              // the one reclaim looked at last
}

// newSources returns nil, which admits everything, if nothing is limited.
func newSources(perAddress, perPrefix SourceLimits) *sources {
	quotas := [sourceLevels]quota{newQuota(perAddress), newQuota(perPrefix)}
	if quotas == [sourceLevels]quota{} {
		return nil
	}
	return &sources{quotas: quotas, limit: maxSources, index: make(map[sourceKey]uint32)}
}

// admit counts a connection from addr, or says why not and counts nothing. The index is for release; it is
// 0 also for a connection that has no address and is always admitted. now is of a clock
// that all loops share.
func (s *sources) admit(addr netip.Addr, now time.Duration) (index uint32, verdict admission) {
	if s == nil || !addr.IsValid() {
		return 0, admitted
	}
	keys := keysOf(addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reclaim(&keys, now)
	found, verdict := s.find(&keys, now)
	if verdict != admitted {
		return 0, verdict
	}
	return s.take(&keys, &found, now), admitted
}

// find returns the entries that exist of a connection's sources, and whether all may have one more.
func (s *sources) find(keys *[sourceLevels]sourceKey, now time.Duration) (found [sourceLevels]uint32, verdict admission) {
	missing := 0
	for level, key := range keys {
		q := &s.quotas[level]
		if q.unlimited() {
			continue
		}
		if found[level] = s.index[key]; found[level] == 0 {
			missing++
		} else if verdict = q.allows(s.entries.At(found[level]), now); verdict != admitted {
			return found, verdict
		}
	}
	if len(s.index)+missing > s.limit {
		verdict = tableFull
	}
	return found, verdict
}

// take counts a connection in the entries found, and makes those that are missing. It returns the first
// of the chain from the address to the prefix.
func (s *sources) take(keys *[sourceLevels]sourceKey, found *[sourceLevels]uint32, now time.Duration) (first uint32) {
	for level := prefixLevel; level >= addressLevel; level-- {
		q := &s.quotas[level]
		if q.unlimited() {
			continue
		}
		index := found[level]
		if index == 0 {
			index = s.add(keys[level])
		}
		e := s.entries.At(index)
		q.take(e, now)
		e.next, first = first, index
	}
	return first
}

// release gives back the connection that admit counted, once.
func (s *sources) release(index uint32) {
	if index == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for index != 0 {
		e := s.entries.At(index)
		e.connections--
		index = e.next
	}
}

// add makes an entry.
func (s *sources) add(key sourceKey) uint32 {
	index := s.free
	if index != 0 {
		s.free = s.entries.At(index).next
	} else {
		s.made++
		index = s.made
		s.entries.Grow(index)
	}
	*s.entries.At(index) = source{key: key}
	s.index[key] = index
	return index
}

// reclaim frees what can go of the next few entries, but not those about to be used.
func (s *sources) reclaim(except *[sourceLevels]sourceKey, now time.Duration) {
	for range min(sourcesPerAdmit, s.made) {
		s.looked = s.looked%s.made + 1
		e := s.entries.At(s.looked)
		if e.key.version == 0 || e.key == except[addressLevel] || e.key == except[prefixLevel] {
			continue
		}
		if s.quotas[e.key.level].forgets(e, now) {
			delete(s.index, e.key)
			*e = source{next: s.free}
			s.free = s.looked
		}
	}
}
