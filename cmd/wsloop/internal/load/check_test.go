package load

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// plenty is a run that lacks nothing.
func plenty() *Numbers {
	c := small("ws://localhost/")
	c.Connections = 10_000
	_ = c.Complete()
	return &Numbers{
		Config: &c, Procs: 1, Here: true, Targets: 1,
		Descriptors: 10_032, Ports: 10_000, TCPPages: 20_000, PageBytes: 4096, Memory: 1 << 30, Files: 30_000,
		Servers: []ServerLimit{{PID: 7, Left: 10_000, Limit: 10_010}},
	}
}

func sources(n int) (all []netip.Addr) {
	for i := range n {
		all = append(all, netip.AddrFrom4([4]byte{127, 0, 1, byte(i + 1)}))
	}
	return all
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(n *Numbers)
		want   []string // each the end of a line, or ! and a part of one that is no warning
	}{
		{"plenty", func(*Numbers) {}, nil},
		{"nothing known", func(n *Numbers) { *n = Numbers{Config: n.Config, Procs: 1} }, nil},
		{"descriptors", func(n *Numbers) { n.Descriptors-- }, []string{"!1 too few: -procs 2"}},
		{"descriptors of processes", func(n *Numbers) { n.Procs, n.Descriptors = 2, 5031 }, []string{"!1 too few: -procs 3"}},
		{"hardly a descriptor", func(n *Numbers) { n.Descriptors = 32 }, []string{"!: ulimit -n 10032"}},
		{"ports", func(n *Numbers) { n.Ports-- }, []string{"!1 too few: -src 127.0.1.1-127.0.1.2"}},
		{"ports of two targets", func(n *Numbers) { n.Ports, n.Targets = 5000, 2 }, nil},
		{"ports of sources", func(n *Numbers) { n.Ports, n.Config.Sources = 5000, sources(2) }, nil},
		{"ports of too few sources", func(n *Numbers) { n.Ports, n.Config.Sources = 4999, sources(2) }, []string{"!1 too few: -src 127.0.1.1-127.0.1.3"}},
		{"ports of fewer sources than processes", func(n *Numbers) { n.Procs, n.Ports, n.Config.Sources = 4, 3334, sources(3) }, nil},
		{"ports of a source of each process", func(n *Numbers) { n.Procs, n.Ports, n.Config.Sources = 2, 3334, sources(3) }, []string{
			"!5000 connections of one source address, and 3334 ports to reach the target, 1666 too few: -src 127.0.1.1-127.0.1.4",
		}},
		{"ports elsewhere", func(n *Numbers) { n.Here, n.Ports = false, 9999 }, []string{"!sysctl -w net.ipv4.ip_local_port_range='1024 65535'"}},
		{"many ports elsewhere", func(n *Numbers) {
			*n = Numbers{Config: n.Config, Procs: 1, Targets: 1, Ports: 30_000}
			n.Config.Connections = 100_000
		}, []string{"!-src with 4 addresses of this machine"}},
		{"ports of a Unix socket", func(n *Numbers) { n.Config.Unix, n.Ports = "/s", 1 }, nil},
		{"files", func(n *Numbers) { n.Files = 20_031 }, []string{"!1 too few: sysctl -w fs.file-max=$(($(cat /proc/sys/fs/file-max) + 1))"}},
		{"files of one end", func(n *Numbers) { n.Here, n.Files = false, 10_032 }, nil},
		{"files of root", func(n *Numbers) { n.AnyFiles, n.Files = true, 1 }, []string{"+ 20031))"}},
		{"the server", func(n *Numbers) { n.Servers[0].Left-- }, []string{"!1 too few: prlimit --pid 7 --nofile=10011, or start it in 2 processes"}},
		{"servers", func(n *Numbers) { n.Servers = []ServerLimit{{Left: 4990, Limit: 5000}, {Left: 5000, Limit: 5000}} }, []string{
			"!10 too few: start it in 3 processes",
		}},
		{"memory", func(n *Numbers) { n.Memory = 100 << 20 }, []string{": -c 8672"}},
		{"too little memory", func(n *Numbers) { n.Memory = 60 << 20 }, []string{"!: -c 4730"}},
		{"memory of one end", func(n *Numbers) { n.Here, n.Memory = false, 70<<20 }, nil},
		{"TCP", func(n *Numbers) { n.TCPPages-- }, []string{"1 too few: sysctl -w net.ipv4.tcp_mem='20000 25000 30000'"}},
		{"TCP of a part", func(n *Numbers) { n.Config.Active, n.TCPPages = 0.01, 200 }, nil},
		{"TCP of large messages", func(n *Numbers) { n.Config.Size = 4097 }, []string{"20000 too few: sysctl -w net.ipv4.tcp_mem='40000 50000 60000'"}},
		{"TCP of a broadcast", func(n *Numbers) { n.Config.Scenario, n.TCPPages = Broadcast, 19_999 }, []string{"30000'"}},
	} {
		n := plenty()
		test.change(n)
		got := n.Check()
		if len(got) != len(test.want) {
			t.Errorf("%s: %v", test.name, got)
			continue
		}
		for i, want := range test.want {
			part, fatal := strings.CutPrefix(want, "!")
			if got[i].Fatal != fatal || !strings.Contains(got[i].String(), part) {
				t.Errorf("%s: %s\nwant %s", test.name, got[i], want)
			}
			if strings.HasPrefix(got[i].String(), "warning: ") == fatal {
				t.Errorf("%s: %s", test.name, got[i])
			}
		}
	}
}

// What mends a shortage does.
func TestCheckMends(t *testing.T) {
	t.Parallel()
	for _, procs := range []int{1, 2, 3, 7} {
		n := plenty()
		n.Procs, n.Ports = procs, 999
		n.Config.Sources = sources(procs)
		var number int
		for _, s := range n.Check() {
			_, after, _ := strings.Cut(s.Text, "-src 127.0.1.1-127.0.1.")
			for _, digit := range after {
				number = number*10 + int(digit-'0')
			}
		}
		if n.Config.Sources = sources(number); number == 0 || len(n.Check()) != 0 {
			t.Errorf("%d processes and %d sources: %v", procs, number, n.Check())
		}
	}
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	n := plenty()
	if line := n.UnknownLine(); line != "" {
		t.Error(line)
	}
	n.Servers = nil
	if line := n.UnknownLine(); line != "not known: descriptors of the server (see -server-pid)" {
		t.Error(line)
	}
	*n = Numbers{Config: n.Config}
	if names := n.Unknown(); len(names) != 6 || !slices.Contains(names, "local ports") {
		t.Error(names)
	}
	n.Config.Unix = "/s"
	if names := n.Unknown(); len(names) != 4 {
		t.Error(names)
	}
}

// Who is on this machine is told from who is not.
func TestLook(t *testing.T) {
	t.Parallel()
	for url, here := range map[string]bool{
		"ws://127.0.0.1:80/": true, "ws://[::1]/": true, "ws://192.0.2.1/": false, "ws://[fe80::1%25lo]/": false, "%": false,
	} {
		c := small(url)
		if n := Look(t.Context(), &c, 0); n.Here != here || n.Procs != 1 {
			t.Errorf("%s: %+v", url, n)
		}
	}
	c := small("ws://192.0.2.1/")
	c.URLs = append(c.URLs, "ws://192.0.2.1/again", "ws://192.0.2.1:81/")
	if n := Look(t.Context(), &c, 3); n.Targets != 2 || n.Procs != 3 {
		t.Errorf("%+v", n)
	}
	c.Unix = "/s"
	if n := Look(t.Context(), &c, 3); !n.Here {
		t.Errorf("%+v", n)
	}
}
