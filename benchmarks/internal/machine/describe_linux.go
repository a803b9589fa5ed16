package machine

import (
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// Describe says what figures depend on beside the programs. What the system does not tell is left out.
func Describe() record.Machine {
	m := record.Machine{
		CPU:    model(read("/proc/cpuinfo")),
		Cores:  runtime.NumCPU(),
		System: runtime.GOOS + "/" + runtime.GOARCH,
		Kernel: strings.TrimSpace(read("/proc/sys/kernel/osrelease")),
		Go:     runtime.Version(),
	}
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) == nil {
		m.MemoryBytes = int64(info.Totalram) * int64(info.Unit)
	}
	return m
}

// model is the name of the first processor in /proc/cpuinfo. Some architectures give none.
func model(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		name, value, found := strings.Cut(line, ":")
		if found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// read returns a file of the system, or nothing.
func read(path string) string {
	b, _ := os.ReadFile(path) // what is missing is left out
	return string(b)
}
