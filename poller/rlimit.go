//go:build unix

package poller

import (
	"math"

	"golang.org/x/sys/unix"
)

// DescriptorLimit is how many descriptors the process may have open, the soft limit of
// RLIMIT_NOFILE. It is 0 where there is none or none is known.
func DescriptorLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || uint64(limit.Cur) >= math.MaxInt {
		return 0
	}
	return int(limit.Cur)
}
