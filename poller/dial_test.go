//go:build linux

package poller

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A far is a listener of the test's that dialed connections come to.
type far struct {
	*net.TCPListener
	t *testing.T
}

func newFar(t *testing.T) far {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return far{ln.(*net.TCPListener), t}
}

func (f far) addr() netip.AddrPort { return f.Addr().(*net.TCPAddr).AddrPort() }

func (f far) accept() *net.TCPConn {
	f.t.Helper()
	c, err := f.AcceptTCP()
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	return c
}

// call has the rig's driver dial. The connection's token is that of the next turn.
func (r *rig) call(d Dial) {
	r.Helper()
	if err := r.l.driver.Dial(&d); err != nil {
		r.Fatal(err)
	}
}

// started takes the turn that starts the connection.
func (r *rig) started(d Dial) Token {
	r.Helper()
	r.call(d)
	before := len(r.opened)
	r.step()
	if len(r.opened) != before+1 {
		r.Fatalf("Dialing came %d times", len(r.opened)-before)
	}
	return r.opened[before]
}

// slow has what is dialed stay in connecting until the returned peer reads: it is one end of a pair
// that takes no more bytes.
func (r *rig) slow() peer {
	r.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r.Fatal(err)
	}
	p := peer{r.T, fds[1], new(bool)}
	r.Cleanup(p.close)
	for errno := syscall.Errno(0); errno == 0; {
		_, errno = writeRaw(fds[0], make([]byte, 64<<10))
	}
	r.k.onDescriptor = func(target) (int, syscall.Errno) { return fds[0], 0 }
	r.k.onConnect = func(int, target) syscall.Errno { return syscall.EINPROGRESS }
	r.Cleanup(func() { r.k.onDescriptor, r.k.onConnect = nil, nil })
	return p
}

// TestDialedConnection counts what it costs: one registration and one change of it.
func TestDialedConnection(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		f := newFar(t)
		adds, changes := 0, 0
		r.m.onAdd = func() syscall.Errno { adds++; return 0 }
		r.m.onModify = func() syscall.Errno { changes++; return 0 }
		r.onConnected = func(token Token) {
			if err := r.l.Write(token, []byte("hello")); err != nil {
				t.Error(err)
			}
		}
		token := r.started(Dial{Addr: f.addr(), Tag: "tag"})
		if r.tags[token] != "tag" || r.l.count.Load() != 1 {
			t.Errorf("tag %v, the loop counts %d connections", r.tags[token], r.l.count.Load())
		}
		c := f.accept()
		r.until("Connected", func() bool { return r.connected[token] > 0 })
		b := make([]byte, 10)
		if n, err := c.Read(b); err != nil || string(b[:n]) != "hello" {
			t.Errorf("the far end read %q, %v", b[:n], err)
		}
		if addr, err := r.l.RemoteAddr(token); err != nil || addr != f.addr() {
			t.Errorf("RemoteAddr: %v, %v", addr, err)
		}
		if adds != 1 || changes != 1 || r.conn(token).interest != interestRead {
			t.Errorf("%d registrations, %d changes, watched for %v", adds, changes, r.conn(token).interest)
		}
		c.Write([]byte("hi"))
		r.until("Data", func() bool { return string(r.data[token]) == "hi" })
		c.Close()
		r.until("EOF", func() bool { return r.eof[token] == 1 })
		r.l.Close(token, nil)
		r.step()
		if r.connected[token] != 1 || r.l.count.Load() != 0 {
			t.Errorf("Connected came %d times, the loop counts %d connections", r.connected[token], r.l.count.Load())
		}
		if next := r.started(Dial{Addr: f.addr()}); next.Slot() != token.Slot() || next == token {
			t.Errorf("token %#x after %#x, want the slot given up", uint64(next), uint64(token))
		}
	})
}

func TestDialRefused(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		held, err := net.Dial("tcp4", newFar(t).Addr().String()) // nobody listens at its own port, and nobody else gets it
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		token := r.started(Dial{Addr: held.LocalAddr().(*net.TCPAddr).AddrPort()})
		r.until("Closed", func() bool { return r.closedCount[token] > 0 })
		if !errors.Is(r.closedWith[token], syscall.ECONNREFUSED) || r.connected[token] != 0 {
			t.Errorf("Closed with %v, want ECONNREFUSED", r.closedWith[token])
		}
	})
}

// TestDialWhileConnecting uses every method with a connection that is being made, and then lets it be made.
func TestDialWhileConnecting(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		p := r.slow()
		token := r.started(Dial{Path: "somewhere"})
		if err := r.l.Write(token, []byte("x")); !errors.Is(err, ErrClosed) {
			t.Errorf("Write: %v, want ErrClosed", err)
		}
		if err := r.l.Writev(token, [][]byte{[]byte("x")}); !errors.Is(err, ErrClosed) {
			t.Errorf("Writev: %v, want ErrClosed", err)
		}
		if pending, held := r.l.Pending(token), r.l.Held(token); pending != 0 || held != 0 {
			t.Errorf("%d bytes pending, %d held", pending, held)
		}
		if _, err := r.l.Socket(token); err != nil {
			t.Errorf("Socket: %v", err)
		}
		r.l.CloseWrite(token)
		r.l.Pause(token)
		p.send([]byte("early"))
		r.step()
		r.l.Resume(token)
		for range 3 {
			r.step()
		}
		if r.connected[token] != 0 || r.data[token] != nil {
			t.Fatalf("Connected came %d times, with %q", r.connected[token], r.data[token])
		}
		r.l.Pause(token)
		p.receive()
		r.until("Connected", func() bool { return r.connected[token] == 1 })
		r.step()
		if r.data[token] != nil {
			t.Errorf("Data of a connection that was paused while it was made: %q", r.data[token])
		}
		r.l.Resume(token)
		r.until("Data", func() bool { return string(r.data[token]) == "early" })
		if err := r.l.Write(token, []byte("hello")); err != nil || string(p.receive()) != "hello" {
			t.Errorf("Write once it is made: %v", err)
		}
	})
}

func TestDialClosedWhileConnecting(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		reason := errors.New("closed by the test")
		p := r.slow()
		token := r.started(Dial{Path: "somewhere"})
		p.receive() // so that its event comes, too
		r.l.Close(token, reason)
		r.step()
		if r.closedWith[token] != reason || r.connected[token] != 0 {
			t.Errorf("Closed with %v", r.closedWith[token])
		}
		r.onDialing = func(token Token) { r.l.Close(token, reason) }
		f := newFar(t)
		r.k.onDescriptor, r.k.onConnect = nil, nil
		token = r.started(Dial{Addr: f.addr()})
		f.accept()
		r.step()
		if r.closedWith[token] != reason || r.connected[token] != 0 {
			t.Errorf("Closed with %v", r.closedWith[token])
		}
	})
}

// TestDialOverBeforeItsEvent has the far end send and go before the loop hears that the connection is
// made. None of the bytes is lost.
func TestDialOverBeforeItsEvent(t *testing.T) {
	for _, test := range []struct {
		name  string
		send  string
		reset bool
	}{
		{"BytesAndEnd", "bytes", false},
		{"End", "", false},
		{"BytesAndReset", "bytes", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachMechanism(t, func(t *testing.T, r *rig) {
				f := newFar(t)
				r.call(Dial{Addr: f.addr()})
				c := f.accept()
				c.Write([]byte(test.send))
				if test.reset {
					c.SetLinger(0)
				}
				c.Close()
				r.until("Connected", func() bool { return len(r.opened) == 1 && r.connected[r.opened[0]] == 1 })
				token := r.opened[0]
				r.until("the end", func() bool { return r.eof[token] > 0 || r.closedCount[token] > 0 })
				if string(r.data[token]) != test.send || (r.closedWith[token] != nil) != test.reset {
					t.Errorf("%q came, Closed with %v", r.data[token], r.closedWith[token])
				}
			})
		})
	}
}

// TestDialUnixOverBeforeItsEvent does so over a Unix socket, whose hang-up comes with the end.
func TestDialUnixOverBeforeItsEvent(t *testing.T) {
	for _, test := range []struct {
		name     string
		closeNow bool
		pauseNow bool
	}{{"", false, false}, {"ClosedInConnected", true, false}, {"PausedInConnected", false, true}} {
		t.Run("Events"+test.name, func(t *testing.T) {
			eachMechanism(t, func(t *testing.T, r *rig) {
				path := t.TempDir() + "/s"
				ln, err := net.Listen("unix", path)
				if err != nil {
					t.Fatal(err)
				}
				defer ln.Close()
				r.onConnected = func(token Token) {
					if test.closeNow {
						r.l.Close(token, ErrStopped)
					}
					if test.pauseNow {
						r.l.Pause(token)
					}
				}
				r.call(Dial{Path: path})
				c, err := ln.Accept()
				if err != nil {
					t.Fatal(err)
				}
				c.Write([]byte("bytes"))
				c.Close()
				r.until("Connected", func() bool { return len(r.opened) == 1 && r.connected[r.opened[0]] == 1 })
				token := r.opened[0]
				if test.closeNow {
					if r.data[token] != nil || r.closedWith[token] != ErrStopped {
						t.Errorf("%q came, Closed with %v", r.data[token], r.closedWith[token])
					}
					return
				}
				if test.pauseNow {
					r.step()
					if r.data[token] != nil {
						t.Errorf("%q came while it was paused", r.data[token])
					}
					r.l.Resume(token)
				}
				r.until("EOF", func() bool { return r.eof[token] == 1 })
				if string(r.data[token]) != "bytes" {
					t.Errorf("%q came", r.data[token])
				}
			})
		})
	}
}

// TestDialToItself binds a port and connects to it. So does the system now and then, when it chooses the port
// of the target as the source.
func TestDialToItself(t *testing.T) {
	for _, to := range []string{"127.0.0.1", "0.0.0.0"} {
		t.Run(to, func(t *testing.T) {
			eachMechanism(t, func(t *testing.T, r *rig) {
				f := newFar(t)
				f.Close()
				err := r.l.driver.Dial(&Dial{Addr: netip.AddrPortFrom(netip.MustParseAddr(to), f.addr().Port()), Local: f.addr()})
				if !errors.Is(err, syscall.ECONNREFUSED) || r.l.count.Load() != 0 {
					t.Errorf("%v, the loop counts %d connections", err, r.l.count.Load())
				}
			})
		})
	}
}

// TestDialStopMeanwhile stops a loop while a connection is being made, another is on its way to it, and so is
// an accepted one, which it forgets.
func TestDialStopMeanwhile(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		f := newFar(t)
		r.slow()
		waiting := r.started(Dial{Path: "somewhere"})
		r.k.onDescriptor, r.k.onConnect = nil, nil
		r.call(Dial{Addr: f.addr(), Tag: 7})
		accepted, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		r.k.opens[accepted]++
		r.l.count.Add(1)
		r.l.hand(arrival{fd: accepted})
		r.onDialing = func(Token) {
			if err := r.l.driver.Dial(&Dial{Addr: f.addr()}); !errors.Is(err, ErrStopped) {
				t.Errorf("Dial while the loop shuts: %v, want ErrStopped", err)
			}
		}
		r.l.shut()
		if len(r.opened) != 2 || r.tags[r.opened[1]] != 7 {
			t.Fatalf("%d connections, the tag of the last is %v", len(r.opened), r.tags[r.opened[len(r.opened)-1]])
		}
		for _, token := range r.opened {
			if r.closedWith[token] != ErrStopped || r.closedCount[token] != 1 || r.connected[token] != 0 {
				t.Errorf("connection %#x of %#x: Closed with %v", uint64(token), uint64(waiting), r.closedWith[token])
			}
		}
		r.m.mechanism, _ = newMechanism() // for the end of the rig, which shuts the loop again
		if n := r.l.count.Load(); n != 0 {
			t.Errorf("the loop counts %d connections", n)
		}
	})
}

// TestDialThatIsNeverServed stops a driver instead of serving it.
func TestDialThatIsNeverServed(t *testing.T) {
	f := newFar(t)
	k := &faultKernel{kernel: newKernel(), opens: map[int]int{}, closes: map[int]int{}}
	d, err := newNative(Options{Loops: 1}, newMechanism, func() kernel { return k })
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Dial(&Dial{Addr: f.addr()}); err != nil {
		t.Fatal(err)
	}
	d.Stop()
	if len(k.opens) != 1 || len(k.closes) != 1 || d.loops[0].count.Load() != 0 {
		t.Errorf("descriptors opened %v, closed %v; the loop counts %d", k.opens, k.closes, d.loops[0].count.Load())
	}
	if err := d.Dial(&Dial{Addr: f.addr()}); !errors.Is(err, ErrStopped) {
		t.Errorf("Dial after Stop: %v, want ErrStopped", err)
	}
}

func TestDialWithoutSense(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		f := newFar(t)
		for _, d := range []Dial{
			{},
			{Addr: f.addr(), Loop: 1},
			{Addr: f.addr(), Loop: -2},
			{Path: string(make([]byte, 1000))},
		} {
			if err := r.l.driver.Dial(&d); err == nil {
				t.Errorf("Dial(%+v) succeeded", d)
			}
		}
		if n := r.l.count.Load(); n != 0 || len(r.k.opens) > 1 {
			t.Errorf("the loop counts %d connections, %d descriptors were opened", n, len(r.k.opens))
		}
	})
}

// TestSockaddr turns addresses into the system's form and back.
func TestSockaddr(t *testing.T) {
	for _, s := range []string{"1.2.3.4:5", "[::1]:65535", "[fe80::1%1]:80", "[2001:db8::2]:443"} {
		addr := netip.MustParseAddrPort(s)
		sa := sockaddrOf(target{Addr: addr})
		back, _ := addrPortOf(sa, nil)
		if want := netip.AddrPortFrom(addr.Addr().WithZone(""), addr.Port()); back != want {
			t.Errorf("%v became %v", addr, back)
		}
		if six, ok := sa.(*syscall.SockaddrInet6); ok && (six.ZoneId == 1) != (addr.Addr().Zone() == "1") {
			t.Errorf("%v has zone %d", addr, six.ZoneId)
		}
	}
	for s, want := range map[string]int{"1.2.3.4:5": unix.AF_INET, "[::1]:5": unix.AF_INET6} {
		if domain := domainOf(target{Addr: netip.MustParseAddrPort(s)}); domain != want {
			t.Errorf("%s is of family %d, want %d", s, domain, want)
		}
	}
	if n := zoneOf(netip.MustParseAddr("fe80::1%lo")); n != 1 {
		t.Errorf("the loopback interface has index %d", n)
	}
}

// TestDialLocalPortIsShared connects from one port to two targets: it is chosen for each target anew.
func TestDialLocalPortIsShared(t *testing.T) {
	k := dialKernel{}
	fd, errno := k.socket(target{Addr: netip.MustParseAddrPort("127.0.0.1:1")})
	if errno != 0 {
		t.Fatal(errno)
	}
	defer unix.Close(fd)
	if errno := k.bind(fd, netip.MustParseAddrPort("127.0.0.1:0")); errno != 0 {
		t.Fatal(errno)
	}
	if local, errno := k.localAddr(fd); errno != 0 || local != netip.MustParseAddrPort("127.0.0.1:0") {
		t.Errorf("bound to %v, %v, want no port yet", local, errno)
	}
	for _, option := range []struct{ level, name int }{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY}, {unix.SOL_SOCKET, unix.SO_KEEPALIVE}, {unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT},
	} {
		if on, err := unix.GetsockoptInt(fd, option.level, option.name); on != 1 || err != nil {
			t.Errorf("option %+v is %d, %v", option, on, err)
		}
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); flags&unix.O_NONBLOCK == 0 || err != nil {
		t.Errorf("flags %#x, %v: it blocks", flags, err)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 || err != nil {
		t.Errorf("flags %#x, %v: it survives exec", flags, err)
	}
}
