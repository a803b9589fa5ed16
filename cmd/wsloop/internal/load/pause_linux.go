package load

import (
	"syscall"
	"time"
)

// pause sleeps to within some 60 microseconds, where the runtime's timers have a grain of a millisecond.
func pause(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil) // a signal ends it early, and the caller looks at the clock
}
