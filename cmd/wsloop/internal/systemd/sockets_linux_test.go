package systemd

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// childVariable tells the test binary to be a service instead.
const childVariable = "SYSTEMD_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childVariable) {
	case "serve":
		serve()
	case "open":
		printOpen()
	case "notify":
		notify()
	default:
		os.Exit(m.Run())
	}
}

// serve is a service with passed sockets: it tells about them, starts another process,
// and greets one client on each.
func serve() {
	all, err := Sockets()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(all), "sockets")
	for _, s := range all {
		fmt.Println(s.Name, s.Addr().Network(), s.Addr())
	}
	for _, variable := range os.Environ() {
		if strings.HasPrefix(variable, "LISTEN_") {
			fmt.Println("left:", variable)
		}
	}
	again, err := Sockets()
	fmt.Println("again:", len(again), err)
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), childVariable+"=open")
	out, err := other.CombinedOutput()
	fmt.Print(string(out))
	fmt.Println("other:", err)
	for _, s := range all {
		c, err := s.Accept()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Fprintln(c, "hello from", s.Name)
		c.Close()
	}
}

// printOpen tells which sockets a process has inherited.
func printOpen() {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if to, _ := os.Readlink("/proc/self/fd/" + e.Name()); strings.HasPrefix(to, "socket:") {
			fmt.Println("inherited:", e.Name())
		}
	}
}

// start runs the test binary as systemd would: with its own number in LISTEN_PID, which
// the shell knows before it becomes the binary.
func start(t *testing.T, files []*os.File, environment ...string) (lines *bufio.Scanner, wait func()) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	cmd.ExtraFiles = files
	cmd.Env = append(os.Environ(), environment...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	lines = bufio.NewScanner(out)
	return lines, func() {
		t.Helper()
		for lines.Scan() {
			t.Errorf("the service also said %q", lines.Text())
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

func expect(t *testing.T, lines *bufio.Scanner, want ...string) {
	t.Helper()
	for _, line := range want {
		if !lines.Scan() || lines.Text() != line {
			t.Fatalf("the service said %q (%v), want %q", lines.Text(), lines.Err(), line)
		}
	}
}

// listen gives a listener and a file of it to pass.
func listen(t *testing.T, network, address string) (net.Listener, *os.File) {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	file, err := ln.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ln.Close()
		file.Close()
	})
	return ln, file
}

func TestSocketsOfAProcess(t *testing.T) {
	web, webFile := listen(t, "tcp", "127.0.0.1:0")
	path := filepath.Join(t.TempDir(), "s")
	local, localFile := listen(t, "unix", path)
	lines, wait := start(t, []*os.File{webFile, localFile}, childVariable+"=serve", "LISTEN_FDS=2", "LISTEN_FDNAMES=web:local")
	expect(t, lines, "2 sockets", "web tcp "+web.Addr().String(), "local unix "+path, "again: 0 <nil>", "other: <nil>")
	for i, ln := range []net.Listener{web, local} { // the service accepts in this order
		name := []string{"web", "local"}[i]
		c, err := net.Dial(ln.Addr().Network(), ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Minute))
		if greeting, err := io.ReadAll(c); string(greeting) != "hello from "+name+"\n" || err != nil {
			t.Errorf("%s: %q, %v", name, greeting, err)
		}
	}
	wait()
}

func TestSocketsOfAProcessNotPassed(t *testing.T) {
	lines, wait := start(t, nil, childVariable+"=serve", "LISTEN_FDS=1")
	// Whether it is not open, or belongs to the runtime, is not ours to say.
	if want := "systemd: descriptor 3 (unknown): it is not "; !lines.Scan() || !strings.HasPrefix(lines.Text(), want) {
		t.Errorf("the service said %q, want %q", lines.Text(), want)
	}
	wait()
	lines, wait = start(t, nil, childVariable+"=serve")
	expect(t, lines, "0 sockets", "again: 0 <nil>", "other: <nil>")
	wait()
}

func TestSocketsTakesTheEnvironment(t *testing.T) {
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "7")
	t.Setenv("LISTEN_FDNAMES", "a")
	if all, err := Sockets(); len(all) > 0 || err != nil {
		t.Errorf("sockets of another process: %v, %v", all, err)
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if value, set := os.LookupEnv(name); set {
			t.Errorf("%s is still %q", name, value)
		}
	}
}

// passed gives copies of files numbers in a row, of which the first is returned.
func passed(t *testing.T, files ...*os.File) (first int) {
	t.Helper()
	first = 700
	for i, file := range files {
		fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, first+i)
		if err != nil || fd != first+i {
			t.Fatalf("descriptor %d: %v", fd, err)
		}
	}
	return first
}

func TestSockets(t *testing.T) {
	ln, file := listen(t, "tcp", "[::1]:0")
	self := strconv.Itoa(os.Getpid())
	for _, names := range []string{"", "web"} {
		all, err := sockets(passed(t, file), self, "1", names)
		if err != nil || len(all) != 1 || all[0].Addr().String() != ln.Addr().String() {
			t.Fatalf("%v, %v", all, err)
		}
		if want := map[string]string{"": "unknown", "web": "web"}[names]; all[0].Name != want {
			t.Errorf("called %q, want %q", all[0].Name, want)
		}
		all[0].Close()
	}
	for _, c := range [][3]string{{"", "1", ""}, {self, "", ""}, {"1", "1", ""}, {self, "0", ""}} {
		if all, err := sockets(700, c[0], c[1], c[2]); len(all) > 0 || err != nil {
			t.Errorf("%q gave %v, %v", c, all, err)
		}
	}
	for _, c := range []struct{ pid, count, names, want string }{
		{"x", "1", "", `LISTEN_PID is "x"`},
		{self, "x", "", `LISTEN_FDS is "x"`},
		{self, "-1", "", `LISTEN_FDS is "-1"`},
		{self, "1", "a:b", "2 names for 1 sockets"},
		{self, "999999999", "", "descriptor 700 (unknown): it is not open"},
	} {
		if all, err := sockets(700, c.pid, c.count, c.names); err == nil || !strings.Contains(err.Error(), c.want) || all != nil {
			t.Errorf("%+v gave %v, %v", c, all, err)
		}
	}
}

// What cannot be served is named and left alone; what was taken before it is closed.
func TestSocketsOfAnotherKind(t *testing.T) {
	_, good := listen(t, "tcp", "127.0.0.1:0")
	for kind, want := range map[string]string{"datagram": "ListenStream=", "connected": "Accept=no", "file": "not a socket"} {
		var bad *os.File
		switch kind {
		case "file":
			bad, _ = os.Open(os.DevNull)
		case "datagram", "connected":
			typ := map[string]int{"datagram": unix.SOCK_DGRAM, "connected": unix.SOCK_STREAM}[kind]
			pair, err := unix.Socketpair(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			bad = os.NewFile(uintptr(pair[0]), kind)
			defer unix.Close(pair[1])
		}
		first := passed(t, good, bad)
		all, err := sockets(first, strconv.Itoa(os.Getpid()), "2", "good:bad")
		if err == nil || !strings.Contains(err.Error(), "descriptor 701 (bad): ") || !strings.Contains(err.Error(), want) || all != nil {
			t.Errorf("%s: %v, %v", kind, all, err)
		}
		bad.Close()
		if err := unix.Close(first); err != unix.EBADF {
			t.Errorf("%s: closing what was taken gave %v", kind, err)
		}
		if err := unix.Close(first + 1); err != nil {
			t.Errorf("%s: closing what was left alone gave %v", kind, err)
		}
	}
}
