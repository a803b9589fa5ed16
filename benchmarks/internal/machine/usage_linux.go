package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of /proc/stat: USER_HZ is 100 on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// Usage is processor time that was used up to some moment; the difference of two tells of the time between.
type Usage struct {
	At   time.Time
	Busy time.Duration // of the whole machine, interrupts and what a hypervisor stole included; counted in ticks
}

// Read reads the usage of the machine.
func Read() (Usage, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Usage{}, err
	}
	busy, err := busyTicks(string(stat))
	return Usage{At: time.Now(), Busy: time.Duration(busy) * tick}, err
}

// busyTicks adds up the first line of /proc/stat but for what the processors idled.
func busyTicks(stat string) (sum uint64, err error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("machine: /proc/stat begins with %q", line)
	}
	const idle, ioWait = 4, 5
	for i, field := range fields[1:9] {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("machine: /proc/stat: %w", err)
		}
		if i+1 != idle && i+1 != ioWait {
			sum += n
		}
	}
	return sum, nil
}

// CPU is what a process used, all its threads, those that ended too. It has the scheduler's own precision, where the
// times in /proc/PID/stat count ticks.
func CPU(pid int) (time.Duration, error) {
	if pid <= 0 {
		return 0, fmt.Errorf("machine: no process %d", pid) // 0 would be this one
	}
	var t unix.Timespec
	// What clock_getcpuclockid answers: the complement of the id, and 2 for the scheduler's clock.
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return 0, fmt.Errorf("machine: processor time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// ResidentBytes is what a process has in memory.
func ResidentBytes(pid int) (int64, error) {
	// It walks the page tables; VmRSS in status lags behind by some pages per thread.
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, fmt.Errorf("machine: memory: %w", err)
	}
	return resident(rollup)
}

func resident(rollup []byte) (int64, error) {
	for line := range bytes.Lines(rollup) {
		if value, found := bytes.CutPrefix(line, []byte("Rss:")); found {
			kilobytes, err := strconv.ParseInt(string(bytes.TrimSuffix(bytes.TrimSpace(value), []byte(" kB"))), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, errors.New("machine: smaps_rollup has no line Rss")
}
