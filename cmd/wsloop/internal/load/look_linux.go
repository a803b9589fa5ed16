package load

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// read reads the limits of this machine and of the processes of the server.
func (n *Numbers) read() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		n.Descriptors = limit.Cur
	}
	n.AnyFiles = os.Geteuid() == 0
	n.PageBytes = uint64(os.Getpagesize())
	n.readFrom("/proc")
}

// readFrom reads the files of /proc. What cannot be read stays zero.
func (n *Numbers) readFrom(proc string) {
	read := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(proc, name))
		return string(text)
	}
	if ports := integers(read("sys/net/ipv4/ip_local_port_range")); len(ports) == 2 && ports[0] <= ports[1] {
		n.Ports = ports[1] - ports[0] + 1
		n.Ports -= reserved(read("sys/net/ipv4/ip_local_reserved_ports"), ports[0], ports[1])
	}
	if pages := integers(read("sys/net/ipv4/tcp_mem")); len(pages) == 3 {
		n.TCPPages = pages[2]
	}
	if files := integers(read("sys/fs/file-nr")); len(files) == 3 {
		n.Files = files[2] - min(files[0], files[2])
	}
	for line := range strings.Lines(read("meminfo")) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemAvailable:" {
			kib, _ := strconv.ParseUint(fields[1], 10, 54)
			n.Memory = kib << 10
		}
	}
	for _, pid := range n.Config.ServerPIDs {
		dir := filepath.Join(proc, strconv.Itoa(pid))
		limit, known := openFilesLimit(read(filepath.Join(strconv.Itoa(pid), "limits")))
		open, err := os.ReadDir(filepath.Join(dir, "fd"))
		if !known || err != nil {
			n.Servers = nil // a sum of some is none
			return
		}
		n.Servers = append(n.Servers, ServerLimit{PID: pid, Left: limit - min(uint64(len(open)), limit), Limit: limit})
	}
}

// integers are the numbers of a line.
func integers(line string) (all []uint64) {
	for field := range strings.FieldsSeq(line) {
		v, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return nil
		}
		all = append(all, v)
	}
	return all
}

// reserved is how many ports of a range are in a list such as 80,8000-8010, which the kernel keeps sorted and free of overlap.
func reserved(list string, from, to uint64) (n uint64) {
	for field := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, isRange := strings.Cut(field, "-")
		if !isRange {
			last = first
		}
		a, err := strconv.ParseUint(first, 10, 16)
		b, fault := strconv.ParseUint(last, 10, 16)
		if err != nil || fault != nil {
			continue
		}
		if a, b = max(a, from), min(b, to); a <= b {
			n += b - a + 1
		}
	}
	return n
}

// openFilesLimit reads the soft limit on descriptors in /proc/PID/limits.
func openFilesLimit(text string) (limit uint64, known bool) {
	for line := range strings.Lines(text) {
		rest, found := strings.CutPrefix(line, "Max open files")
		fields := strings.Fields(rest)
		if !found || len(fields) == 0 {
			continue
		}
		limit, err := strconv.ParseUint(fields[0], 10, 64)
		if fields[0] == "unlimited" {
			return 1 << 62, true
		}
		return limit, err == nil
	}
	return 0, false
}
