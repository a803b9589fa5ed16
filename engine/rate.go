package engine

import "math"

// A Rate bounds how often something may happen: PerSecond on average, and Burst at once.
// PerSecond 0 means no limit, Burst 0 one second's worth. It is measured by the quarter of a second, so a smaller
// Burst than a quarter of PerSecond counts as that.
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

// A meter holds the levels of three leaky buckets: what a connection has sent lately. A level rises with the traffic and sinks with time, at
// the rate; above the burst the rate is exceeded.
type meter struct {
	messages, bytes, controls uint32
	leaked                    uint32 // when they sank last, in ticks
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
	burst := r.Burst
	if burst <= 0 {
		burst = r.PerSecond
	}
	// Levels sink once in a tick, so one tick's worth must fit.
	burst = max(burst, (r.PerSecond+int(ticksPerSecond)-1)/int(ticksPerSecond))
	const most = math.MaxUint32 / 2
	if perTick := r.PerSecond / int(ticksPerSecond); perTick > most/units || burst > most/units {
		return bucket{} // more than a connection can bring
	}
	return bucket{
		perTick: uint32(max(r.PerSecond*units/int(ticksPerSecond), 1)),
		burst:   uint32(burst * units),
		units:   uint32(units),
	}
}

// rates are the buckets in force for every connection.
type rates struct {
	messages, bytes, controls bucket
	policy                    RatePolicy
}

// leak lets the levels sink for the ticks since they did.
func (m *meter) leak(r *rates, now uint32) {
	if ticks := now - m.leaked; ticks > 0 {
		m.messages = r.messages.leak(m.messages, ticks)
		m.bytes = r.bytes.leak(m.bytes, ticks)
		m.controls = r.controls.leak(m.controls, ticks)
		m.leaked = now
	}
}

func (b bucket) leak(level, ticks uint32) uint32 {
	return uint32(uint64(level) - min(uint64(level), uint64(b.perTick)*uint64(ticks)))
}

// add raises a level by n, and says whether it stays within the burst.
func (b bucket) add(level *uint32, n int) (within bool) {
	if b.burst == 0 {
		return true
	}
	*level = uint32(min(uint64(*level)+uint64(n)*uint64(b.units), math.MaxUint32))
	return *level <= b.burst
}

// within says whether all levels are.
func (m *meter) within(r *rates) bool {
	return r.messages.holds(m.messages) && r.bytes.holds(m.bytes) && r.controls.holds(m.controls)
}

func (b bucket) holds(level uint32) bool { return b.burst == 0 || level <= b.burst }
