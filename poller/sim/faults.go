//go:build linux || darwin || freebsd

package sim

import "math/rand/v2"

// Faults are what goes wrong by chance: each the probability, from 0 to 1, with which it happens when it
// could. None of them may cost a healthy connection a byte.
type Faults struct {
	ShortRead  float64 // a read returns less than there is
	ShortWrite float64 // a write takes less than there is room for
	Again      float64 // reads and writes fail with EAGAIN though they need not, several in a row
	Interrupt  float64 // reads, writes, accepts and polls fail with EINTR

	Spurious float64 // a poll reports a connection that is not ready
	Stale    float64 // a poll reports a connection that is closed
	Hide     float64 // a poll leaves out an event: being level-triggered it must come again

	DelayAccept float64 // accept finds nothing though a connection waits
	EMFILE      float64 // accept or socket fails for lack of a descriptor
	ConnAborted float64 // accept fails because the peer reset the connection, which is gone
	AddFails    float64 // a descriptor cannot be watched: the server closes it unseen

	DialRefused float64 // what the driver dials is refused though OnDial would hear of it
	DialDelay   float64 // it is answered after some seconds
	DialReset   float64 // it is reset as it is made, before OnDial hears of it

	ClockJump  float64 // between two turns the clock jumps ahead by seconds to minutes
	CloseFails float64 // close reports an error though the descriptor is gone
}

// RandomFaults draws which faults happen in a run, and how often.
func RandomFaults(r *rand.Rand) Faults {
	var f Faults
	for _, p := range []*float64{
		&f.ShortRead, &f.ShortWrite, &f.Again, &f.Interrupt, &f.Spurious, &f.Stale, &f.Hide,
		&f.DelayAccept, &f.EMFILE, &f.ConnAborted, &f.AddFails, &f.CloseFails,
	} {
		if r.IntN(3) == 0 {
			*p = []float64{0.01, 0.1, 0.5}[r.IntN(3)]
		}
	}
	if r.IntN(4) == 0 {
		f.ClockJump = 0.002
	}
	if r.IntN(3) == 0 {
		f.DialRefused, f.DialDelay, f.DialReset = r.Float64()/4, r.Float64()/2, r.Float64()/4
	}
	return f
}

// happens draws whether a fault does.
func (w *World) happens(probability float64) bool {
	return probability > 0 && !w.calm && w.random.Float64() < probability
}

// again draws whether a read or write is to fail though it need not.
func (w *World) again() bool {
	if w.calm {
		return false
	}
	if w.storm > 0 {
		w.storm--
		return true
	}
	if !w.happens(w.options.Faults.Again) {
		return false
	}
	w.storm = w.random.IntN(8)
	return true
}
