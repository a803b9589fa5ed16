package runner

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsloop/wsloop/benchmarks/internal/machine"
)

// reading is the usage of the machine at some moment, and that of those who are no noise.
type reading struct {
	machine.Usage
	counted time.Duration // by a server, or by this process and its children
}

// take reads with a server.
func take(pid int) (reading, error) {
	u, err := machine.Read()
	if err != nil {
		return reading{}, err
	}
	cpu, err := machine.CPU(pid)
	return reading{u, cpu}, err
}

// takeOwn reads with this process and its children, as far as they have ended.
func takeOwn() (reading, error) {
	u, err := machine.Read()
	if err != nil {
		return reading{}, err
	}
	r := reading{Usage: u}
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var used unix.Rusage
		if err := unix.Getrusage(who, &used); err != nil {
			return reading{}, err
		}
		r.counted += time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	return r, nil
}

// others is what the rest of the machine used since before, in cores; of it a client used some time that is no noise either.
func (r reading) others(before reading, client time.Duration) float64 {
	rest := r.Busy - before.Busy - (r.counted - before.counted) - client
	return max(0, rest.Seconds()) / r.At.Sub(before.At).Seconds()
}
