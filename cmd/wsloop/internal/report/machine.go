package report

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// ThisMachine returns what is known of the machine and of this program. Model, kernel and memory are known on Linux only.
func ThisMachine() Machine {
	m := machineAt("/proc")
	m.OS, m.Arch, m.Cores, m.Go = runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version()
	m.Wsloop = "unknown"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		m.Wsloop = info.Main.Version
	}
	return m
}

// machineAt reads the files that Linux has in /proc. What cannot be read stays empty.
func machineAt(proc string) (m Machine) {
	read := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(proc, name))
		return string(text)
	}
	m.Kernel = strings.TrimSpace(read("sys/kernel/osrelease"))
	m.CPU = field(read("cpuinfo"), "model name")
	memory, _ := strings.CutSuffix(field(read("meminfo"), "MemTotal"), " kB")
	if kib, err := strconv.ParseUint(memory, 10, 54); err == nil {
		m.MemoryBytes = kib << 10
	}
	return m
}

// field returns what follows the name and the colon in the first such line.
func field(text, name string) string {
	for line := range strings.Lines(text) {
		key, value, found := strings.Cut(line, ":")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
