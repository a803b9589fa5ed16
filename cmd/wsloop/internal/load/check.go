package load

import (
	"fmt"
	"math"
	"strings"
)

// Numbers are what a run asks for and what the machine has. What is not known is zero, and is not checked.
type Numbers struct {
	Config  *Config
	Procs   int  // at least 1
	Here    bool // the server is on this machine, and needs as much of it
	Targets int  // addresses that are connected to

	Descriptors uint64 // of a process
	Ports       uint64 // local ones, for one source and one target
	TCPPages    uint64 // net.ipv4.tcp_mem, the last
	PageBytes   uint64
	Memory      uint64 // bytes that are available
	Files       uint64 // of the system, that are not open yet
	AnyFiles    bool   // that limit does not hold for this user
	Servers     []ServerLimit
}

// ServerLimit is how many descriptors a process of the server may open further, of how many.
type ServerLimit struct {
	PID         int
	Left, Limit uint64
}

// Shortage is what a run lacks.
type Shortage struct {
	Fatal bool   // the run cannot succeed; if not, it may fail
	Text  string // what is short, by how much, and what mends it
}

const (
	spareDescriptors = 32 // of a process, for all but connections
	// What a connection that does nothing takes of the kernel for each end, at least and roughly, and a process of ours.
	socketBytesLeast = 3 << 10
	socketBytes      = 5 << 10
	processBytes     = 12 << 20
	clientBytes      = 400 // of user space
)

// Check says what is short. It looks at nothing but the numbers.
func (n *Numbers) Check() (all []Shortage) {
	for _, check := range []func() *Shortage{n.descriptors, n.ports, n.files, n.server, n.memory, n.tcpMemory} {
		if s := check(); s != nil {
			all = append(all, *s)
		}
	}
	return all
}

// Unknown are the limits that were not checked.
func (n *Numbers) Unknown() (names []string) {
	for _, l := range []struct {
		name  string
		known bool
	}{
		{"descriptors", n.Descriptors > 0},
		{"local ports", n.Ports > 0 || n.Config.Unix != ""},
		{"files of the system", n.Files > 0},
		{"descriptors of the server (see -server-pid)", len(n.Servers) > 0},
		{"memory", n.Memory > 0},
		{"memory of TCP", n.TCPPages > 0 || n.Config.Unix != ""},
	} {
		if !l.known {
			names = append(names, l.name)
		}
	}
	return names
}

func short(fatal bool, format string, args ...any) *Shortage {
	return &Shortage{fatal, fmt.Sprintf(format, args...)}
}

func (n *Numbers) connections() uint64 { return uint64(max(n.Config.Connections, 0)) }

// ends is how many ends of a connection are on this machine.
func (n *Numbers) ends() uint64 {
	if n.Here {
		return 2
	}
	return 1
}

func (n *Numbers) descriptors() *Shortage {
	most := divideUp(n.connections(), uint64(n.Procs)) + spareDescriptors
	if n.Descriptors == 0 || most <= n.Descriptors {
		return nil
	}
	mend := fmt.Sprintf("ulimit -n %d", most)
	if n.Descriptors > spareDescriptors {
		mend = fmt.Sprintf("-procs %d", divideUp(n.connections(), n.Descriptors-spareDescriptors))
	}
	return short(true, "descriptors: a process needs %d and may have %d, %d too few: %s", most, n.Descriptors, most-n.Descriptors, mend)
}

// widest is the range of ports that any user may have, of which servers may want some.
const widest = 65535 - 1024 + 1

// ports looks at the process that has the fewest sources for its connections, if each has sources of its own.
func (n *Numbers) ports() *Shortage {
	c := n.Config
	if n.Ports == 0 || c.Unix != "" {
		return nil
	}
	targets := uint64(max(n.Targets, 1))
	need, shares := n.connections(), []Config{*c}
	if len(c.Sources) >= n.Procs {
		shares = nil
		for i := range n.Procs {
			shares = append(shares, c.Share(i, n.Procs))
		}
	}
	var most uint64 // connections of one source
	for _, s := range shares {
		sources := uint64(max(len(s.Sources), 1))
		most = max(most, divideUp(uint64(max(s.Connections, 0)), sources))
	}
	if most <= n.Ports*targets {
		return nil
	}
	lack := most - n.Ports*targets
	sources := divideUp(need, n.Ports*targets)
	if uint64(n.Procs) <= sources {
		sources = divideUp(sources, uint64(n.Procs)) * uint64(n.Procs) // as many for each process
	}
	mend := fmt.Sprintf("-src with %d addresses of this machine", sources)
	switch {
	case n.Here && sources <= 254:
		mend = fmt.Sprintf("-src 127.0.1.1-127.0.1.%d", sources)
	case !n.Here && most <= widest*targets:
		mend = "sysctl -w net.ipv4.ip_local_port_range='1024 65535'"
	}
	return short(true, "local ports: %d connections of one source address, and %d ports to reach the target, %d too few: %s",
		most, n.Ports*targets, lack, mend)
}

func (n *Numbers) files() *Shortage {
	need := n.connections()*n.ends() + uint64(n.Procs)*spareDescriptors
	if n.Files == 0 || need <= n.Files {
		return nil
	}
	return short(!n.AnyFiles, "files of the system: %d are needed and %d can be opened, %d too few: sysctl -w fs.file-max=$(($(cat /proc/sys/fs/file-max) + %d))",
		need, n.Files, need-n.Files, need-n.Files)
}

func (n *Numbers) server() *Shortage {
	var left, limit uint64
	for _, s := range n.Servers {
		left += s.Left
		limit = max(limit, s.Limit)
	}
	if len(n.Servers) == 0 || n.connections() <= left {
		return nil
	}
	lack := n.connections() - left
	mend := fmt.Sprintf("start it in %d processes of as many descriptors", divideUp(n.connections(), max(limit, spareDescriptors+1)-spareDescriptors))
	if len(n.Servers) == 1 {
		s := n.Servers[0]
		mend = fmt.Sprintf("prlimit --pid %d --nofile=%d, or %s", s.PID, s.Limit+lack, mend)
	}
	return short(true, "descriptors of the server: it may open %d more, %d too few: %s", left, lack, mend)
}

// memory is estimated, so it is fatal only where even the least does not fit.
func (n *Numbers) memory() *Shortage {
	if n.Memory == 0 {
		return nil
	}
	need := func(socket uint64) uint64 {
		return n.connections()*(n.ends()*socket+clientBytes) + uint64(n.Procs)*processBytes
	}
	if need(socketBytes) <= n.Memory {
		return nil
	}
	return short(need(socketBytesLeast) > n.Memory, "memory: about %s is needed and %s is available, %s too little: -c %d",
		mib(need(socketBytes)), mib(n.Memory), mib(need(socketBytes)-n.Memory), n.fitting())
}

// fitting is how many connections the memory is for.
func (n *Numbers) fitting() uint64 {
	processes := uint64(n.Procs) * processBytes
	return (n.Memory - min(processes, n.Memory)) / (n.ends()*socketBytes + clientBytes)
}

// tcpMemory counts the pages that messages on their way take: one at least for each.
func (n *Numbers) tcpMemory() *Shortage {
	c := n.Config
	if n.TCPPages == 0 || n.PageBytes == 0 || c.Unix != "" {
		return nil
	}
	senders := math.Ceil(float64(n.connections()) * c.Active)
	if c.broadcasts() {
		senders = float64(n.connections()) // receivers, really
	}
	pages := uint64(senders) * uint64(max(c.Outstanding, 1)) * divideUp(uint64(max(c.Size, 1)), n.PageBytes) * n.ends()
	if pages <= n.TCPPages {
		return nil
	}
	return short(false, "memory of TCP: messages on their way may take %d pages and it may have %d, %d too few: sysctl -w net.ipv4.tcp_mem='%d %d %d'",
		pages, n.TCPPages, pages-n.TCPPages, pages, pages+pages/4, pages+pages/2)
}

func divideUp(a, b uint64) uint64 { return (a + b - 1) / b }

func mib(bytes uint64) string { return fmt.Sprintf("%d MiB", bytes>>20) }

// String is the shortage in a line.
func (s Shortage) String() string {
	if s.Fatal {
		return "too little for this run: " + s.Text
	}
	return "warning: " + s.Text
}

// UnknownLine says in a line what was not checked; it is empty if all was.
func (n *Numbers) UnknownLine() string {
	if names := n.Unknown(); len(names) > 0 {
		return "not known: " + strings.Join(names, ", ")
	}
	return ""
}
