//go:build linux || darwin || freebsd

package sim

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/internal/system"
)

// A Driver is a World from which servers can dial. World.Dial is the other direction.
type Driver struct{ *World }

var _ poller.Dialer = Driver{}

// Driver is the world with Dial of poller.Dialer.
func (w *World) Driver() Driver { return Driver{w} }

// Dial implements poller.Dialer, on the world's goroutine.
func (d Driver) Dial(order *poller.Dial) error { return d.driver.Dial(order) }

// OnDial has f told of the far end of each connection that the driver dials, when it is made. What it
// sends there arrives behind. While no f is set, dials are refused.
func (w *World) OnDial(f func(p *Peer)) { w.onDial = f }

// Path is where the driver dialed to if it was a Unix socket; Addr is, otherwise.
func (p *Peer) Path() string { return p.w.dials[p.id].to.Path }

// Source is the address that the driver asked to dial from, if it did.
func (p *Peer) Source() netip.AddrPort { return p.w.dials[p.id].local }

// A dial is what is known of a socket that the driver made.
type dial struct {
	to    system.Target
	local netip.AddrPort
}

// dialSource is the address of a socket that dials from nowhere in particular.
var dialSource = netip.MustParseAddrPort("10.255.255.255:49152")

// maxDialDelay is the longest that the fault DialDelay lets a dial wait.
const maxDialDelay = 10 * time.Second

// Socket implements system.Kernel.
func (k kernel) Socket(to system.Target) (int, syscall.Errno) {
	errno := k.fail(CallSocket)
	if errno == 0 && (k.full() || k.happens(k.options.Faults.EMFILE)) {
		errno = syscall.EMFILE
	}
	if errno != 0 {
		k.trace("socket fails", 0, int(errno))
		return -1, errno
	}
	id := k.newSocket()
	s := k.socket(id)
	s.flags = accepted | unmade
	s.fd = int32(k.table.take(int(id) + 1))
	k.dials[id] = dial{to: to}
	k.trace("socket for peer", int(id), int(s.fd))
	return int(s.fd), 0
}

// Bind implements system.Kernel.
func (k kernel) Bind(fd int, local netip.AddrPort) syscall.Errno {
	id := k.mustBe(fd, "bind")
	if errno := k.fail(CallBind); errno != 0 {
		return errno
	}
	d := k.dials[id]
	d.local = local
	k.dials[id] = d
	return 0
}

// Connect implements system.Kernel. The request goes on where it is interrupted.
func (k kernel) Connect(fd int, _ system.Target) syscall.Errno {
	id := k.mustBe(fd, "connect")
	errno := k.fail(CallConnect)
	switch {
	case errno != 0 && errno != syscall.EINTR:
		return errno
	case errno == 0 && k.happens(k.options.Faults.Interrupt):
		errno = syscall.EINTR
	case errno == 0:
		errno = syscall.EINPROGRESS
	}
	k.progress++
	k.trace("connect to peer", int(id), int(errno))
	s := k.socket(id)
	s.set(requesting)
	if k.happens(k.options.Faults.DialDelay) {
		k.trace("dial is delayed", int(id), 0)
		s.set(held)
		k.After(time.Duration(k.random.Int64N(int64(maxDialDelay))), func() {
			s.clear(held)
			k.settled(id)
		})
	}
	k.settled(id)
	return errno
}

// LocalAddr implements system.Kernel.
func (k kernel) LocalAddr(fd int) (netip.AddrPort, syscall.Errno) {
	id := k.mustBe(fd, "getsockname")
	if errno := k.fail(CallLocalAddr); errno != 0 {
		return netip.AddrPort{}, errno
	}
	local := k.dials[id].local
	switch {
	case !local.IsValid():
		local = dialSource
	case local.Port() == 0:
		local = netip.AddrPortFrom(local.Addr(), dialSource.Port())
	}
	return local, 0
}

// answer has the request of a socket come to an end.
func (w *World) answer(id uint32, s *socket) {
	s.clear(requesting)
	s.set(edge)
	switch {
	case w.onDial == nil || w.happens(w.options.Faults.DialRefused):
		w.trace("dial is refused", int(id), 0)
		s.set(dead | peerOver | brokenRefused)
	case w.happens(w.options.Faults.DialReset):
		w.trace("dial is reset", int(id), 0)
		s.set(dead | peerOver | brokenReset)
	default:
		w.trace("dial reaches peer", int(id), 0)
		s.clear(unmade)
		w.onDial(&Peer{w, id})
	}
	w.stir(id, s)
}
