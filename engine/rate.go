package engine

import "math"

// A Rate bounds how often something may happen: PerSecond on average, and Burst at once.
// PerSecond 0 means no limit, Burst 0 one second's worth. What a connection sends is measured by the quarter of a second,
// in favour of the peer: a quarter of PerSecond may come on top of Burst.
type Rate struct {
	PerSecond, Burst int
}

// RatePolicy says what happens to a connection that exceeds a Rate.
type RatePolicy uint8

const (
	// RateClose closes the connection with 1008.
	RateClose RatePolicy = iota
	// RatePause does not read the connection until it is within its rate again: the peer's
	// TCP learns to wait, and nothing is lost.
	RatePause
)

// String names the policy.
func (p RatePolicy) String() string {
	switch p {
	case RateClose:
		return "close"
	case RatePause:
		return "pause"
	}
	return "unknown"
}

// A meter holds the level of a leaky bucket: what a connection has sent lately. The level rises with the traffic and sinks with time, at
// the rate; above the burst the rate is exceeded.
type meter struct {
	level  uint32
	leaked uint32 // when it sank last, in ticks
}

// messageUnits is how finely messages are counted, so that levels sink evenly at rates of a few per
// second. Bytes are counted singly.
const messageUnits = 16

// A bucket is a Rate in the units of a meter.
type bucket struct {
	perTick, burst uint32 // burst 0 means no limit
	units          uint32 // for one of what is counted
}

func newBucket(r Rate, units int) bucket {
	if r.PerSecond <= 0 {
		return bucket{}
	}
	most := math.MaxInt32 / units
	burst := orDefault(r.Burst, r.PerSecond)
	if burst > most || r.PerSecond > most {
		return bucket{} // more than a connection can bring
	}
	// Rounded up, as a peer that keeps exactly to the rate must not be found out in the end.
	perTick := (uint32(r.PerSecond*units) + ticksPerSecond - 1) / ticksPerSecond
	// Levels sink once in a tick, so up to one tick's worth of what is due has not sunk yet.
	return bucket{perTick: perTick, burst: uint32(burst*units) + perTick, units: uint32(units)}
}

// rates are the buckets in force for every connection.
type rates struct {
	messages, bytes, controls bucket
	policy                    RatePolicy
}

// meterNow is the clock of the meters, in ticks. Unlike the wheel's it counts time in which the loop did not run: the
// peers sent meanwhile, and what they were entitled to arrives at once.
func (l *loop) meterNow() uint32 { return uint32(l.driver.Now() / tick) }

// leak lets the level sink for the ticks since it did.
func (b *bucket) leak(m *meter, now uint32) {
	if ticks := now - m.leaked; ticks > 0 {
		m.level -= uint32(min(uint64(m.level), uint64(b.perTick)*uint64(ticks)))
		m.leaked = now
	}
}

// add raises the level by n, and says whether it stays within the burst.
func (b *bucket) add(m *meter, n int, now uint32) (within bool) {
	if b.burst == 0 {
		return true
	}
	b.leak(m, now)
	m.level = uint32(min(uint64(m.level)+uint64(n)*uint64(b.units), math.MaxUint32))
	return m.level <= b.burst
}

// holds says whether the level is within the burst by now.
func (b *bucket) holds(m *meter, now uint32) bool {
	b.leak(m, now)
	return b.burst == 0 || m.level <= b.burst
}
