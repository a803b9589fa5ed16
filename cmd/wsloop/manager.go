package main

import (
	"errors"
	"log/slog"
	"net"
	"os"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/systemd"
)

// manager is the service manager that started this process: systemd, or nobody, as in the zero manager.
type manager struct {
	notifier *systemd.Notifier
	listens  bool           // it wants to be told how the service fares
	sockets  []net.Listener // that it has opened for the service
}

// findManager looks for systemd in the environment, which no process that is started later is to find it in.
func findManager() (m manager, err error) {
	m.listens = os.Getenv("NOTIFY_SOCKET") != ""
	if m.notifier, err = systemd.NewNotifier(); err != nil {
		return m, err
	}
	sockets, err := systemd.Sockets()
	for _, s := range sockets {
		m.sockets = append(m.sockets, s.Listener)
	}
	return m, err
}

var errSocketsAndProcs = errors.New("systemd has opened sockets, and -procs opens one for each process: leave out -procs, or the socket unit")

// ready says that the service listens, or that it has reloaded.
func (m *manager) ready() { m.tell((*systemd.Notifier).Ready) }

// reloading says that files are read again; ready ends it.
func (m *manager) reloading() { m.tell((*systemd.Notifier).Reloading) }

// stopping says that connections are being closed.
func (m *manager) stopping() { m.tell((*systemd.Notifier).Stopping) }

// tell never keeps the service from its work.
func (m *manager) tell(what func(*systemd.Notifier) error) {
	if m.notifier == nil {
		return
	}
	if err := what(m.notifier); err != nil {
		slog.Error("wsloop: systemd was not told", slog.Any("error", err))
	}
}

// watch answers systemd's watchdog, if there is one, until stop is called. It shows that the process gets to run, and nothing else.
func (m *manager) watch() (stop func()) {
	if m.notifier == nil {
		return func() {}
	}
	ticks, stopTicks := every(m.notifier.Interval())
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-ticks:
				m.tell((*systemd.Notifier).Alive)
			case <-done:
				return
			}
		}
	}()
	return func() {
		stopTicks()
		close(done)
	}
}

// listen opens the listeners of a server, or takes those of the manager. told are the addresses to be announced.
func (c *serveConfig) listen() (listeners []net.Listener, told []net.Addr, err error) {
	if len(c.manager.sockets) > 0 {
		for _, ln := range c.manager.sockets {
			told = append(told, ln.Addr())
		}
		return c.manager.sockets, told, nil
	}
	network, address := "tcp", c.server.Addr
	if c.unix != "" {
		network, address = "unix", c.unix
	}
	if listeners, err = c.server.Listen(network, address); err != nil {
		return nil, nil, err
	}
	return listeners, []net.Addr{listeners[0].Addr()}, nil
}
