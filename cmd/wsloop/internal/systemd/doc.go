// Package systemd lets a service take listening sockets from systemd and tell it how it
// fares: socket activation and sd_notify, as sd_listen_fds(3) and sd_notify(3) describe
// them, without libsystemd.
//
//	sockets, err := systemd.Sockets()     // none if systemd passed none
//	notifier, err := systemd.NewNotifier() // does nothing where systemd does not ask
//
//	notifier.Ready()                       // Type=notify: the service serves
//	for range time.Tick(notifier.Interval()) { notifier.Alive() } // WatchdogSec=, if not 0
//	notifier.Stopping()
//
// Both take their variables out of the environment, so that no process that is started
// later believes that it was meant. Call them early, before others read or change the
// environment. On systems other than Linux there is nothing to take and nobody to tell.
package systemd

import (
	"net"
	"time"
)

// Socket is a listening stream socket that systemd passed.
type Socket struct {
	net.Listener
	// Name is FileDescriptorName= of the socket's unit, by default the unit's name;
	// "unknown" if systemd gives none.
	Name string
}

// Notifier tells systemd about the service. Any goroutine may use it. Where systemd does
// not listen, every method returns nil at once.
type Notifier struct {
	address  *net.UnixAddr // nil where nobody listens
	interval time.Duration
}

// Interval is how often Alive is to be called: half of WatchdogSec=, or 0 if systemd does
// not watch this process.
func (n *Notifier) Interval() time.Duration { return n.interval }
