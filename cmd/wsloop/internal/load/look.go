package load

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Look collects the numbers that a run in so many processes is checked by; 0 is this one. It asks the system for the
// addresses of the targets, and takes a target that it cannot find for one elsewhere.
func Look(ctx context.Context, c *Config, procs int) *Numbers {
	n := &Numbers{Config: c, Procs: max(procs, 1), Here: c.Unix != ""}
	here := localAddresses()
	targets := make(map[string]bool)
	for _, target := range c.URLs {
		u, err := url.Parse(target)
		if err != nil {
			continue // Target says what is wrong with it
		}
		targets[u.Host] = true
		addrs, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
		for _, addr := range addrs {
			if addr = addr.Unmap().WithZone(""); addr.IsLoopback() || here[addr] {
				n.Here = true
			}
		}
	}
	n.Targets = len(targets)
	n.read()
	return n
}

// localAddresses are those of this machine.
func localAddresses() map[netip.Addr]bool {
	here := make(map[netip.Addr]bool)
	all, _ := net.InterfaceAddrs()
	for _, addr := range all {
		text, _, _ := strings.Cut(addr.String(), "/")
		if ip, err := netip.ParseAddr(text); err == nil {
			here[ip.Unmap().WithZone("")] = true
		}
	}
	return here
}
