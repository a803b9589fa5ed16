//go:build linux

package poller

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestDescriptorLimit lowers the soft limit by one and puts it back.
func TestDescriptorLimit(t *testing.T) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	lower := old
	lower.Cur--
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lower); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	}()
	if n := DescriptorLimit(); uint64(n) != lower.Cur {
		t.Errorf("DescriptorLimit is %d, want %d", n, lower.Cur)
	}
}
