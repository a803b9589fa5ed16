package engine

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/proxydriver"
)

// RemoteSource says where the address of a connection's client comes from.
type RemoteSource uint8

const (
	// RemotePeer: it is the peer of the socket, and no trusted proxy said anything else.
	RemotePeer RemoteSource = iota
	// RemoteProxy: it stood in a header of the PROXY protocol (Server.Proxy).
	RemoteProxy
	// RemoteForwarded: it stood in the request, named by trusted proxies (Server.Forwarding). The port is 0 unless they told it.
	RemoteForwarded
	// RemoteHidden: a trusted proxy relays a client and does not say which. The address is that of the last proxy known.
	RemoteHidden

	// remoteGone marks the slot of a connection that has ended.
	remoteGone
)

// String names the source.
func (s RemoteSource) String() string {
	names := [...]string{"peer", "proxy", "forwarded", "hidden"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// RemoteAddr is the address that Remote gives.
func (c Conn) RemoteAddr() netip.AddrPort {
	addr, _ := c.Remote()
	return addr
}

// Remote is the address of the client, and where that comes from. What a trusted proxy told is known from Events.Upgrade on until
// Events.Close has returned. For the peer of the socket the system is asked, and nothing is stored: it is the zero AddrPort for a Unix
// socket, and for a connection that is gone or that the peer has reset. Ask in Upgrade or Open what Close is to know.
func (c Conn) Remote() (addr netip.AddrPort, source RemoteSource) {
	l := c.loop
	if l == nil {
		return addr, source
	}
	addr, source, known := l.noted(c.token)
	if !known {
		addr, source, known = l.connected(c.token)
	}
	if known && source < remoteGone {
		return addr, source
	}
	return l.lingeringRemote(c.token)
}

// remote is the address of a client that a request told: 24 bytes without a pointer, in loop.remotes. The loop alone writes it.
//
// Any goroutine may read the address, and believe it if meta names the connection both before and after. The loop writes an address
// only while meta does not say of any connection that it has one.
type remote struct {
	meta      atomic.Uint64 // generation, from bit 8 on the port, and the source; 0 if it was never used
	high, low atomic.Uint64 // the address in network order
}

func (r *remote) set(t poller.Token, port uint16, source RemoteSource) {
	r.meta.Store(uint64(t.Generation())<<32 | uint64(port)<<8 | uint64(source))
}

// address is what the slot holds, if it still is as meta says.
func (r *remote) address(meta uint64) (addr netip.AddrPort, ok bool) {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], r.high.Load())
	binary.BigEndian.PutUint64(b[8:], r.low.Load())
	return netip.AddrPortFrom(netip.AddrFrom16(b).Unmap(), uint16(meta>>8)), r.meta.Load() == meta
}

// note keeps what a request told of its client.
func (l *loop) note(t poller.Token, client netip.AddrPort, source RemoteSource) {
	l.remotes.Grow(t.Slot())
	r := l.remotes.At(t.Slot())
	b := client.Addr().As16()
	r.high.Store(binary.BigEndian.Uint64(b[:8]))
	r.low.Store(binary.BigEndian.Uint64(b[8:]))
	r.set(t, client.Port(), source)
}

// forgetRemote undoes note. The driver may not have given the token up yet; its answer would be the address of the proxy.
func (l *loop) forgetRemote(t poller.Token) {
	if int(t.Slot()) < l.remotes.Len() {
		l.remotes.At(t.Slot()).set(t, 0, remoteGone)
	}
}

// noted returns what note kept: remoteGone if the connection has ended since. Any goroutine.
func (l *loop) noted(t poller.Token) (addr netip.AddrPort, source RemoteSource, known bool) {
	if int(t.Slot()) >= l.remotes.Len() {
		return addr, RemotePeer, false
	}
	r := l.remotes.At(t.Slot())
	meta := r.meta.Load()
	if source = RemoteSource(meta); uint32(meta>>32) != t.Generation() || source == RemotePeer {
		return addr, RemotePeer, false
	}
	addr, ok := r.address(meta)
	if !ok || source == remoteGone {
		return netip.AddrPort{}, remoteGone, true
	}
	return addr, source, true
}

// connected returns what the driver knows, which is how the connection reached this machine. The source is looked at first: once it is
// not known any more, neither is the address.
func (l *loop) connected(t poller.Token) (addr netip.AddrPort, source RemoteSource, known bool) {
	source, _ = l.relayed(t)
	addr, err := l.driver.RemoteAddr(t)
	return addr, source, err == nil
}

// relayed tells what a header of the PROXY protocol says about the address that the driver knows, if there was one.
func (l *loop) relayed(t poller.Token) (source RemoteSource, told bool) {
	if l.server.relay == nil {
		return RemotePeer, false
	}
	kind, told := l.server.relay.Kind(l.driver.Index(), t)
	switch {
	case !told || kind == handshake.ProxyLocal:
		return RemotePeer, told
	case kind == handshake.ProxyTCP4 || kind == handshake.ProxyTCP6:
		return RemoteProxy, true
	}
	return RemoteHidden, true
}

// findRelay returns the driver that reads PROXY headers, at the top or below others that tell what they wrap, or nil.
func findRelay(driver poller.Driver) *proxydriver.Driver {
	for {
		switch d := driver.(type) {
		case *proxydriver.Driver:
			return d
		case interface{ Unwrap() poller.Driver }:
			driver = d.Unwrap()
		default:
			return nil
		}
	}
}

// toldRemote is what a proxy told of a connection, for callbacks that come when it has ended.
func (l *loop) toldRemote(t poller.Token) (addr netip.AddrPort, source RemoteSource) {
	if addr, source, known := l.noted(t); known {
		return addr, source
	}
	if _, told := l.relayed(t); told {
		addr, source, _ = l.connected(t)
	}
	return addr, source
}

// lingeringRemote is what toldRemote said of a connection that has ended.
func (l *loop) lingeringRemote(t poller.Token) (addr netip.AddrPort, source RemoteSource) {
	if l.server.workers == nil {
		return addr, source
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.lingering[t]; b != nil {
		return b.remote, b.source
	}
	return addr, source
}
