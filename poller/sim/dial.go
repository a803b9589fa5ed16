//go:build linux || darwin || freebsd

package sim

import (
	"net/netip"
	"syscall"

	"github.com/wsloop/wsloop/poller/internal/system"
)

// Socket implements system.Kernel.
func (k kernel) Socket(system.Target) (int, syscall.Errno) { return -1, syscall.EAFNOSUPPORT }

// Bind implements system.Kernel.
func (k kernel) Bind(int, netip.AddrPort) syscall.Errno { return syscall.EAFNOSUPPORT }

// Connect implements system.Kernel.
func (k kernel) Connect(int, system.Target) syscall.Errno { return syscall.EAFNOSUPPORT }

// LocalAddr implements system.Kernel.
func (k kernel) LocalAddr(int) (netip.AddrPort, syscall.Errno) {
	return netip.AddrPort{}, syscall.EAFNOSUPPORT
}
