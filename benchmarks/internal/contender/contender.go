package contender

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/wsloop/wsloop/benchmarks/internal/certificate"
	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// Names of servers that others refer to.
const (
	Limit   = "c"       // the plain echo in C
	Ours    = "wsloop"  // of the checkout
	Before  = "before"  // wsloop of another revision
	Ceiling = "gorilla" // half of whose throughput is the rate at which latencies are measured
)

// A Server is ready to be started, unless Err says why not.
type Server struct {
	Name    string
	Role    record.Role
	Version string // of the library or program, as "gws v1.9.1"
	Raw     bool   // sends bytes as they came, and knows no WebSocket
	Err     error

	command   []string
	broadcast []string // flags that make it send each message to all; none if it cannot
	deflate   []string // flags that make it agree to compression; none if it does not
	takeover  []string // flags that make it do so with context takeover
	secure    []string // flags that make it speak TLS with the certificate of the workshop; none if it is not measured so
	inGo      bool
}

// Broadcasts says whether the server can send each message to all.
func (s Server) Broadcasts() bool { return len(s.broadcast) > 0 }

// Deflates says whether the server can agree to compression, with or without context takeover.
func (s Server) Deflates(takeover bool) bool {
	if takeover {
		return len(s.takeover) > 0
	}
	return len(s.deflate) > 0
}

// Secures says whether the server can speak TLS.
func (s Server) Secures() bool { return len(s.secure) > 0 }

// Command is how to start the server for what a cell does.
func (s Server) Command(c record.Cell) []string {
	var flags []string
	switch c.Scenario {
	case record.Broadcast:
		flags = s.broadcast
	case record.Deflate, record.DeflateIdle:
		if flags = s.deflate; c.Takeover {
			flags = s.takeover
		}
	case record.TLS:
		flags = s.secure
	}
	return slices.Concat(s.command, flags)
}

// Env is what the server needs in its environment to use as many processors.
func (s Server) Env(cores int) []string {
	if !s.inGo {
		return nil
	}
	return []string{"GOMAXPROCS=" + strconv.Itoa(cores)}
}

// Workshop is where programs are built.
type Workshop struct {
	Root string // of the checkout
	Work string // a directory for what is built, the caller's to remove
}

// Authority is the file of the certificate that servers have which speak TLS. Certify makes it.
func (w Workshop) Authority() string {
	file, _ := certificate.Files(w.Work)
	return file
}

// Certify makes the certificate, which is one for all servers.
func (w Workshop) Certify() error { return certificate.Make(w.Work) }

// secure are the flags that have a server use it. All servers have the same.
func (w Workshop) secure() []string {
	file, key := certificate.Files(w.Work)
	return []string{"-tls-cert", file, "-tls-key", key}
}

// benchmarks is the directory of their module.
func (w Workshop) benchmarks(elem ...string) string {
	return filepath.Join(append([]string{w.Root, "benchmarks"}, elem...)...)
}

// kind is a server and how it comes to be.
type kind struct {
	name       string
	role       record.Role
	raw        bool
	broadcasts bool
	deflates   bool
	takesOver  bool
	secures    bool
	library    string // module path or npm package
	make       func(ctx context.Context, w Workshop, k kind) Server
}

// kinds are in the order in which they take turns.
var kinds = []kind{
	{name: Limit, role: record.Limit, raw: true, broadcasts: true, make: inC},
	{name: Ours, role: record.Ours, broadcasts: true, deflates: true, takesOver: true, secures: true, make: ours},
	{name: "gws", role: record.GoRival, broadcasts: true, deflates: true, takesOver: true, secures: true, library: "github.com/lxzan/gws", make: inGo},
	{name: "gobwas", role: record.GoRival, library: "github.com/gobwas/ws", make: inGo},
	{name: "gobwas-epoll", role: record.GoRival, library: "github.com/gobwas/ws", make: inGo},
	{name: Ceiling, role: record.GoRival, broadcasts: true, deflates: true, secures: true, library: "github.com/gorilla/websocket", make: inGo},
	{name: "coder", role: record.GoRival, deflates: true, takesOver: true, library: "github.com/coder/websocket", make: inGo},
	{name: "fasthttp", role: record.GoRival, library: "github.com/fasthttp/websocket", make: inGo},
	{name: "greatws", role: record.GoRival, library: "github.com/antlabs/greatws", make: inGo},
	{name: "nbio", role: record.GoRival, secures: true, library: "github.com/lesismal/nbio", make: inGo},
	{name: "nbio-blocking", role: record.GoRival, secures: true, library: "github.com/lesismal/nbio", make: inGo},
	{name: "gnet", role: record.Reference, raw: true, library: "github.com/panjf2000/gnet/v2", make: inGo},
	{name: "ws", role: record.Rival, broadcasts: true, deflates: true, takesOver: true, library: "ws", make: node},
	{name: "bun", role: record.Rival, broadcasts: true, deflates: true, takesOver: true, secures: true, library: "bun", make: bun},
}

// Names lists the servers, in the order in which they take turns.
func Names() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// Prepare builds the servers of these names, in the order of Names. It calls say before each that may take a while.
func Prepare(ctx context.Context, w Workshop, names []string, say func(format string, args ...any)) []Server {
	wanted := make(map[string]bool)
	for _, name := range names {
		wanted[name] = true
	}
	var servers []Server
	for _, k := range kinds {
		if !wanted[k.name] {
			continue
		}
		say("preparing %s", k.name)
		s := k.make(ctx, w, k)
		s.Name, s.Role, s.Raw = k.name, k.role, k.raw
		// Those that are not of this directory have flags of their own.
		for _, can := range []struct {
			is    bool
			flags *[]string
			usual string
		}{{k.broadcasts, &s.broadcast, "-broadcast"}, {k.deflates, &s.deflate, "-deflate"}, {k.takesOver, &s.takeover, "-deflate-takeover"}} {
			if can.is && len(*can.flags) == 0 {
				*can.flags = []string{can.usual}
			}
		}
		if k.secures {
			s.secure = w.secure()
		}
		servers = append(servers, s)
	}
	return servers
}
