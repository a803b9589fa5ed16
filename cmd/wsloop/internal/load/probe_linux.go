package load

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc: USER_HZ is 100 wherever Go runs.
const clockTick = 10 * time.Millisecond

// usageOf reads /proc.
func usageOf(pid int) (usage, error) { return usageAt(filepath.Join("/proc", strconv.Itoa(pid)), pid) }

func usageAt(dir string, pid int) (u usage, err error) {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return u, fmt.Errorf("-server-pid: there is no process %d on this machine", pid)
	}
	// The name of the program stands in parentheses and may hold anything. Behind it, utime and stime are the
	// 12th and the 13th, and rss the 22nd.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 22 {
		return u, fmt.Errorf("-server-pid: %s says nothing of process %d", dir, pid)
	}
	user, _ := strconv.ParseUint(fields[11], 10, 63)
	system, _ := strconv.ParseUint(fields[12], 10, 63)
	pages, _ := strconv.ParseUint(fields[21], 10, 63)
	return usage{cpu: time.Duration(user+system) * clockTick, rss: pages * uint64(os.Getpagesize())}, nil
}
