package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sendTimeout bounds the wait for systemd to take a message when its queue is full.
const sendTimeout = 5 * time.Second

// NewNotifier reads where systemd listens and how often it wants to hear from this
// process. An error says which variable cannot be understood.
func NewNotifier() (*Notifier, error) {
	socket, limit, pid := os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		os.Unsetenv(name)
	}
	n := new(Notifier)
	if socket == "" {
		return n, nil
	}
	// "@" stands for the NUL that abstract names begin with, here and in package net.
	if socket[0] != '/' && socket[0] != '@' {
		return nil, fmt.Errorf("systemd: NOTIFY_SOCKET is %q, which is neither a path nor an abstract name", socket)
	}
	n.address = &net.UnixAddr{Name: socket, Net: "unixgram"}
	if limit == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return n, nil
	}
	micros, err := strconv.ParseInt(limit, 10, 64)
	if err != nil || micros <= 0 || micros > int64(1<<63-1)/int64(time.Microsecond) {
		return nil, fmt.Errorf("systemd: WATCHDOG_USEC is %q, which is no number of microseconds", limit)
	}
	n.interval = time.Duration(micros) * time.Microsecond / 2
	return n, nil
}

// Ready tells that the service has started, or that it has reloaded.
func (n *Notifier) Ready() error { return n.send("READY=1") }

// Reloading tells that the service reads its configuration again; Ready ends it
// (Type=notify-reload).
func (n *Notifier) Reloading() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("systemd: reading the monotonic clock: %w", err)
	}
	return n.send("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(now.Nano()/1000, 10))
}

// Stopping tells that the service is going away.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

// Status sets the line that systemctl status shows.
func (n *Notifier) Status(text string) error {
	// A line break would begin another assignment.
	return n.send("STATUS=" + strings.NewReplacer("\n", " ", "\r", " ").Replace(text))
}

// Alive answers the watchdog.
func (n *Notifier) Alive() error { return n.send("WATCHDOG=1") }

// send uses a socket of its own each time, so that it also reaches a systemd that was
// executed anew.
func (n *Notifier) send(state string) error {
	if n.address == nil {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, n.address)
	if err != nil {
		return fmt.Errorf("systemd: notifying: %w", err)
	}
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("systemd: notifying: %w", err)
	}
	return nil
}
