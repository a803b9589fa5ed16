package systemd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// notify is a service from its start to its end.
func notify() {
	n, err := NewNotifier()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("interval", n.Interval())
	for _, err := range []error{n.Ready(), n.Status("2 connections"), n.Alive(), n.Reloading(), n.Ready(), n.Stopping()} {
		if err != nil {
			fmt.Println(err)
		}
	}
}

// manager is where systemd would listen.
func manager(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(time.Minute))
	return conn
}

func receive(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestNotifierOfAProcess(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), fmt.Sprintf("@wsloop-test-%d", os.Getpid())} {
		conn := manager(t, name)
		before := monotonicMicros(t)
		lines, wait := start(t, nil, childVariable+"=notify", "NOTIFY_SOCKET="+name, "WATCHDOG_USEC=3000000")
		expect(t, lines, "interval 1.5s")
		for _, want := range []string{"READY=1", "STATUS=2 connections", "WATCHDOG=1", "RELOADING=1\nMONOTONIC_USEC=", "READY=1", "STOPPING=1"} {
			got := receive(t, conn)
			if clock, found := strings.CutPrefix(got, "RELOADING=1\nMONOTONIC_USEC="); found {
				micros, err := strconv.ParseInt(clock, 10, 64)
				if err != nil || micros < before || micros > monotonicMicros(t) {
					t.Errorf("the clock said %q", clock)
				}
				got = got[:len(got)-len(clock)]
			}
			if got != want {
				t.Errorf("%s: received %q, want %q", name, got, want)
			}
		}
		wait()
	}
}

func monotonicMicros(t *testing.T) int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

func environment(t *testing.T, socket, limit, pid string) {
	for name, value := range map[string]string{"NOTIFY_SOCKET": socket, "WATCHDOG_USEC": limit, "WATCHDOG_PID": pid} {
		t.Setenv(name, value)
		if value == "" {
			os.Unsetenv(name)
		}
	}
}

func TestNotifierOfTheEnvironment(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		socket, limit, pid string
		interval           time.Duration
		fault              string
	}{
		{"", "", "", 0, ""},
		{"", "x", "y", 0, ""},
		{"/run/x", "", "", 0, ""},
		{"/run/x", "2000000", "", time.Second, ""},
		{"@x", "2000000", self, time.Second, ""},
		{"@x", "2000000", "1", 0, ""},
		{"@x", "x", "1", 0, ""},
		{"/run/x", "0", "", 0, "WATCHDOG_USEC"},
		{"/run/x", "-1", "", 0, "WATCHDOG_USEC"},
		{"/run/x", "x", self, 0, "WATCHDOG_USEC"},
		{"/run/x", "9223372036854775807", self, 0, "WATCHDOG_USEC"},
		{"run/x", "", "", 0, "NOTIFY_SOCKET"},
		{"vsock:2:1234", "", "", 0, "NOTIFY_SOCKET"},
	} {
		environment(t, c.socket, c.limit, c.pid)
		n, err := NewNotifier()
		if c.fault != "" {
			if err == nil || !strings.Contains(err.Error(), "systemd: "+c.fault+" is ") {
				t.Errorf("%+v gave %v", c, err)
			}
		} else if err != nil || n.Interval() != c.interval || (n.address == nil) != (c.socket == "") {
			t.Errorf("%+v gave %+v, %v", c, n, err)
		}
		for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
			if value, set := os.LookupEnv(name); set {
				t.Errorf("%s is still %q", name, value)
			}
		}
	}
}

func TestNotifier(t *testing.T) {
	environment(t, "", "", "")
	n, err := NewNotifier()
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{n.Ready(), n.Reloading(), n.Stopping(), n.Status("x"), n.Alive()} {
		if err != nil {
			t.Errorf("nobody listens, yet: %v", err)
		}
	}
	path := filepath.Join(t.TempDir(), "notify")
	environment(t, path, "", "")
	if n, err = NewNotifier(); err != nil {
		t.Fatal(err)
	}
	if err := n.Ready(); err == nil || !strings.HasPrefix(err.Error(), "systemd: notifying: ") {
		t.Errorf("without a socket: %v", err)
	}
	conn := manager(t, path)
	if err := n.Status("two\r\nlines\nREADY=1"); err != nil {
		t.Error(err)
	}
	if got := receive(t, conn); got != "STATUS=two  lines READY=1" {
		t.Errorf("received %q", got)
	}
	if err := n.Status(strings.Repeat("x", 1<<20)); err == nil || !strings.HasPrefix(err.Error(), "systemd: notifying: ") {
		t.Errorf("a message that does not fit: %v", err)
	}
	// systemd was executed anew, and has another socket of that name.
	conn.Close()
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	conn = manager(t, path)
	if err := n.Alive(); err != nil {
		t.Error(err)
	}
	if got := receive(t, conn); got != "WATCHDOG=1" {
		t.Errorf("received %q", got)
	}
}
