//go:build linux

package sim

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller/internal/system"
)

// ends are scripts of what both ends of a connection do, and what the server's end sees of it:
//
//	peer ...      send N bytes, fin, close, reset, stall (read nothing from now on), drain (read all again)
//	ready ...     what is ready once all has arrived: Read, Write, Hangup, Error; "-" is nothing
//	read, write   a call on a large buffer, or with one byte, and its result
//	fill          write until EAGAIN
//	shut          shutdown of the sending side, and its result
//	name          getpeername, and its result
//	watch ...     what is watched from now on: r, w, rw, or - for nothing; at first rw
//	told ...      what one poll reports, by and by; "never" is nothing, at once
//
// Each runs over the simulated system and over this machine's TCP and epoll.
var ends = []string{
	"ready W; read EAGAIN; write 1; name ok",
	"peer send 2; ready RW; read 2; ready W; read EAGAIN",
	"peer send 2; peer fin; ready RW; read 2; read 0; ready RW; read 0; write 1; ready RW; name ok",
	"peer send 2; peer close; ready RW; read 2; read 0; write 1; ready RWHE; read 0; write EPIPE; ready RWH; read 0; write EPIPE; name ENOTCONN",
	"peer close; ready RW; write 1; ready RWHE; write EPIPE; write EPIPE; read 0; ready RWH",
	"peer close; ready RW; shut 0; ready RWH; read 0; write EPIPE; shut ENOTCONN; name ENOTCONN",
	"peer send 2; peer close; ready RW; shut 0; ready RWH; read 2; read 0; ready RWH",
	"peer reset; ready RWHE; read ECONNRESET; ready RWH; read 0; write EPIPE; name ENOTCONN",
	"peer reset; ready RWHE; write ECONNRESET; ready RWH; write EPIPE; read 0",
	"peer reset; ready RWHE; shut ENOTCONN; read ECONNRESET",
	"peer send 2; ready RW; peer reset; ready RWHE; read 2; ready RWHE; read ECONNRESET; read 0; write EPIPE",
	"peer send 2; ready RW; peer fin; peer reset; ready RWHE; read 2; read 0; write EPIPE; ready RWH",
	"peer fin; ready RW; peer reset; ready RWHE; read 0; shut ENOTCONN; write EPIPE; ready RWH",
	"shut 0; ready W; read EAGAIN; write EPIPE; shut 0; ready W; name ok",
	"shut 0; peer send 2; ready RW; read 2; ready W",
	"shut 0; peer send 2; ready RW; peer fin; ready RWH; read 2; read 0; ready RWH; name ENOTCONN",
	"shut 0; peer reset; ready RWHE; read ECONNRESET; read 0; write EPIPE; ready RWH",
	"peer stall; fill; ready -; peer send 1; ready R; read 1; ready -; peer drain; ready W; write 1",
	"peer stall; fill; shut 0; ready W; peer drain; ready W; read EAGAIN",
	"peer stall; fill; peer reset; ready RWHE; write ECONNRESET; read 0",

	"watch r; told never; peer send 2; told R; told R; read 2; told never",
	"watch w; told W; told W; peer send 2; ready RW; watch w; told W; peer fin; watch r; told R",
	"watch -; told never; peer send 2; ready RW; watch -; told never; peer fin; ready RW; watch -; told never",
	"watch -; peer reset; told HE; told never; watch -; told HE; told never; watch r; told RHE; told RHE; read ECONNRESET; told RH",
	"shut 0; watch -; told never; peer send 1; peer fin; told H; told never; watch r; told RH; told RH; read 1; read 0",
	"watch r; peer close; told R; shut 0; told RH; watch w; told WH; told WH; watch -; told H; told never",
}

// dialEnds are such scripts of a connection that the server's end dials.
var dialEnds = map[string][]string{
	"made": {
		"ready W; read EAGAIN; write 1; name ok",
		"peer send 2; peer close; ready RW; read 2; read 0; write 1; ready RWHE; read 0; write EPIPE; name ENOTCONN",
		"peer send 2; ready RW; peer reset; ready RWHE; read 2; ready RWHE; read ECONNRESET; read 0; write EPIPE",
		"shut 0; peer fin; ready RWH; read 0",
	},
	"refused": {
		"ready RWHE; read ECONNREFUSED; ready RWH; read 0; write EPIPE; name ENOTCONN",
		"ready RWHE; write ECONNREFUSED; ready RWH; write EPIPE; read 0; shut ENOTCONN",
	},
	"unanswered": {
		"ready -; read EAGAIN; write EAGAIN; name ENOTCONN; told never",
	},
}

// A connection under test, of one system or the other.
type end interface {
	peer(what string, n int)
	read() (int, syscall.Errno)
	write(b []byte) (int, syscall.Errno)
	// fill writes until nothing more is taken.
	fill()
	shut() syscall.Errno
	name() syscall.Errno
	watch(in system.Interest)
	poll() system.Readiness
	// waits says whether what the peer did may take a while to arrive.
	waits() bool
}

func TestEnds(t *testing.T) {
	for _, script := range ends {
		t.Run("Simulated/"+script, func(t *testing.T) { playEnd(t, newSimulatedEnd(), script) })
		t.Run("Real/"+script, func(t *testing.T) { playEnd(t, newRealEnd(t), script) })
	}
}

func TestDialEnds(t *testing.T) {
	for how, scripts := range dialEnds {
		for _, script := range scripts {
			t.Run("Simulated/"+how+"/"+script, func(t *testing.T) { playEnd(t, newSimulatedDialEnd(how), script) })
			t.Run("Real/"+how+"/"+script, func(t *testing.T) { playEnd(t, newRealDialEnd(t, how), script) })
		}
	}
}

func playEnd(t *testing.T, e end, script string) {
	const both = system.InterestRead | system.InterestWrite
	e.watch(both)
	watched := both
	for step := range strings.SplitSeq(script, "; ") {
		var n int
		verb, rest, _ := strings.Cut(step, " ")
		got := rest
		switch verb {
		case "peer":
			what, number, _ := strings.Cut(rest, " ")
			fmt.Sscan(number, &n)
			e.peer(what, n)
		case "ready":
			e.watch(both)
			got = eventually(e, rest, func() string { return letters(e.poll()) })
			e.watch(watched)
		case "told":
			if rest == "never" {
				got = letters(e.poll())
				rest = "-"
				break
			}
			got = eventually(e, rest, func() string { return letters(e.poll()) })
		case "watch":
			watched = 0
			if strings.Contains(rest, "r") {
				watched |= system.InterestRead
			}
			if strings.Contains(rest, "w") {
				watched |= system.InterestWrite
			}
			e.watch(watched)
		case "read":
			got = outcomeName(e.read())
		case "write":
			got = outcomeName(e.write([]byte("x")))
		case "fill":
			e.fill()
		case "shut":
			got = errnoName(e.shut(), "0")
		case "name":
			got = errnoName(e.name(), "ok")
		default:
			t.Fatalf("no such step: %s", step)
		}
		if got != rest {
			t.Fatalf("%s: got %s, want %s", step, got, rest)
		}
	}
}

// eventually asks until the answer is the wanted one.
func eventually(e end, want string, ask func() string) string {
	got := ask()
	for start := time.Now(); got != want && e.waits() && time.Since(start) < 30*time.Second; {
		got = ask()
	}
	return got
}

func letters(r system.Readiness) string {
	s := ""
	for i, letter := range "RWHE" {
		if r&(1<<i) != 0 {
			s += string(letter)
		}
	}
	if s == "" {
		return "-"
	}
	return s
}

func errnoName(errno syscall.Errno, none string) string {
	names := map[syscall.Errno]string{
		0: none, syscall.EAGAIN: "EAGAIN", syscall.EPIPE: "EPIPE", syscall.ECONNRESET: "ECONNRESET", syscall.ENOTCONN: "ENOTCONN",
		syscall.ECONNREFUSED: "ECONNREFUSED",
	}
	if name, ok := names[errno]; ok {
		return name
	}
	return errno.Error()
}

func outcomeName(n int, errno syscall.Errno) string { return errnoName(errno, fmt.Sprint(n)) }

// simulatedEnd is a connection of a world whose loops nobody turns.
type simulatedEnd struct {
	w  *World
	p  *Peer
	fd int
	in system.Interest
}

func newSimulatedEnd() *simulatedEnd {
	w := New(Options{})
	e := &simulatedEnd{w: w, p: w.Dial()}
	e.p.Cut(CutNowhere)
	e.arrive()
	e.fd, _ = kernel{w}.Accept(w.listeners[0].fd)
	w.loops[0].Add(e.fd, 1, 0)
	return e
}

func newSimulatedDialEnd(how string) *simulatedEnd {
	w := New(Options{})
	e := &simulatedEnd{w: w}
	if how != "refused" {
		w.OnDial(func(p *Peer) { e.p = p; p.Cut(CutNowhere) })
	}
	if how == "unanswered" {
		w.options.Faults.DialDelay = 1
	}
	to := system.Target{Addr: netip.MustParseAddrPort("192.0.2.1:80")}
	e.fd, _ = kernel{w}.Socket(to)
	kernel{w}.Connect(e.fd, to)
	e.arrive()
	w.loops[0].Add(e.fd, 1, 0)
	return e
}

// arrive lets everything arrive that can.
func (e *simulatedEnd) arrive() {
	for len(e.w.moving) > 0 {
		e.w.stepMove()
	}
}

func (e *simulatedEnd) peer(what string, n int) {
	switch what {
	case "send":
		e.p.Send(make([]byte, n))
	case "fin":
		e.p.CloseWrite()
	case "close":
		e.p.Close()
	case "reset":
		e.arrive()
		e.p.Reset()
	case "stall":
		e.p.Window(0)
	case "drain":
		e.p.Window(-1)
	}
	e.arrive()
}

func (e *simulatedEnd) read() (int, syscall.Errno) {
	return kernel{e.w}.Read(e.fd, make([]byte, 100))
}

func (e *simulatedEnd) write(b []byte) (int, syscall.Errno) {
	defer e.arrive()
	return kernel{e.w}.Write(e.fd, b)
}

func (e *simulatedEnd) fill() {
	for errno := syscall.Errno(0); errno == 0; {
		_, errno = e.write(make([]byte, 64<<10))
	}
}

func (e *simulatedEnd) shut() syscall.Errno {
	defer e.arrive()
	return kernel{e.w}.CloseWrite(e.fd)
}

func (e *simulatedEnd) name() syscall.Errno {
	_, errno := kernel{e.w}.RemoteAddr(e.fd)
	return errno
}

func (e *simulatedEnd) watch(in system.Interest) {
	e.w.loops[0].Modify(e.fd, 1, e.in, in)
	e.in = in
}

func (e *simulatedEnd) poll() system.Readiness {
	var events [8]system.Event
	if n, _ := e.w.loops[0].Poll(events[:]); n == 0 {
		return 0
	}
	return events[0].Ready
}

func (e *simulatedEnd) waits() bool { return false }

// realEnd is a connection over the loopback interface.
type realEnd struct {
	testing.TB
	client  *net.TCPConn
	fd      int
	epoll   int
	written int // bytes that the client has not read
	full    bool
}

func newRealEnd(t *testing.T) *realEnd {
	must := mustOf(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	must(err)
	t.Cleanup(func() { client.Close() })
	server, err := ln.Accept()
	must(err)
	f, err := server.(*net.TCPConn).File()
	must(err)
	server.Close()
	t.Cleanup(func() { f.Close() })
	fd := int(f.Fd())
	must(syscall.SetNonblock(fd, true))
	return newWatchedEnd(t, client.(*net.TCPConn), fd)
}

// newRealDialEnd connects a socket to a listener that accepts, to none, or to one whose backlog is full.
func newRealDialEnd(t *testing.T, how string) *realEnd {
	must := mustOf(t)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	must(err)
	t.Cleanup(func() { ln.Close() })
	to := ln.Addr().(*net.TCPAddr)
	switch how {
	case "refused":
		ln.Close()
	case "unanswered":
		raw, err := ln.(*net.TCPListener).SyscallConn()
		must(err)
		must(raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }))
		must(err)
		filler, err := net.Dial("tcp4", to.String())
		must(err)
		t.Cleanup(func() { filler.Close() })
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	must(err)
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}); err != syscall.EINPROGRESS {
		must(err)
	}
	var far *net.TCPConn
	if how == "made" {
		c, err := ln.Accept()
		must(err)
		t.Cleanup(func() { c.Close() })
		far = c.(*net.TCPConn)
	}
	return newWatchedEnd(t, far, fd)
}

func mustOf(t *testing.T) func(error) {
	return func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// newWatchedEnd makes an epoll for the descriptor.
func newWatchedEnd(t *testing.T, peer *net.TCPConn, fd int) *realEnd {
	must := mustOf(t)
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	must(os.NewSyscallError("epoll_create", err))
	t.Cleanup(func() { syscall.Close(epoll) })
	must(syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{}))
	return &realEnd{t, peer, fd, epoll, 0, false}
}

func (e *realEnd) peer(what string, n int) {
	var err error
	switch what {
	case "send":
		_, err = e.client.Write(make([]byte, n))
	case "fin":
		err = e.client.CloseWrite()
	case "close":
		err = e.client.Close()
	case "reset":
		e.full = false
		_ = e.client.SetLinger(0)
		err = e.client.Close()
	case "stall":
	case "drain":
		e.full = false
		_ = e.client.SetReadDeadline(time.Now().Add(30 * time.Second))
		for b := make([]byte, 64<<10); e.written > 0 && err == nil; e.written -= n {
			n, err = e.client.Read(b)
		}
	}
	if err != nil {
		e.Fatal(err)
	}
}

func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	return err.(syscall.Errno)
}

func (e *realEnd) read() (int, syscall.Errno) {
	n, err := syscall.Read(e.fd, make([]byte, 100))
	return n, errnoOf(err)
}

func (e *realEnd) write(b []byte) (int, syscall.Errno) {
	n, err := syscall.SendmsgN(e.fd, b, nil, nil, syscall.MSG_NOSIGNAL)
	e.written += max(n, 0)
	return n, errnoOf(err)
}

func (e *realEnd) fill() {
	e.full = true
	for errno := syscall.Errno(0); errno == 0; {
		_, errno = e.write(make([]byte, 64<<10))
	}
}

func (e *realEnd) shut() syscall.Errno {
	e.full = false
	return errnoOf(syscall.Shutdown(e.fd, syscall.SHUT_WR))
}

func (e *realEnd) name() syscall.Errno {
	_, err := syscall.Getpeername(e.fd)
	return errnoOf(err)
}

func (e *realEnd) watch(in system.Interest) {
	var ev syscall.EpollEvent
	if in&system.InterestRead != 0 {
		ev.Events |= syscall.EPOLLIN
	}
	if in&system.InterestWrite != 0 {
		ev.Events |= syscall.EPOLLOUT
	}
	if in == 0 {
		ev.Events = 1 << 31 // EPOLLET
	}
	if err := syscall.EpollCtl(e.epoll, syscall.EPOLL_CTL_MOD, e.fd, &ev); err != nil {
		e.Fatal(err)
	}
}

func (e *realEnd) poll() system.Readiness {
	var events [1]syscall.EpollEvent
	n, err := syscall.EpollWait(e.epoll, events[:], 0)
	if err != nil && err != syscall.EINTR {
		e.Fatal(err)
	}
	var ready system.Readiness
	for i, bit := range []uint32{syscall.EPOLLIN, syscall.EPOLLOUT, syscall.EPOLLHUP, syscall.EPOLLERR} {
		if n > 0 && events[0].Events&bit != 0 {
			ready |= 1 << i
		}
	}
	if e.full && ready&system.ReadyWrite != 0 {
		e.fill() // what was written went on to the peer's side meanwhile
		return e.poll()
	}
	return ready
}

func (e *realEnd) waits() bool { return true }
