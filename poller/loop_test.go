//go:build linux

package poller

import (
	"context"
	"errors"
	"net"
	"reflect"
	"syscall"
	"testing"
)

// TestConnIsSmall holds what an idle connection costs the driver.
func TestConnIsSmall(t *testing.T) {
	typ := reflect.TypeFor[conn]()
	if typ.Size() > 16 {
		t.Errorf("conn has %d bytes, want at most 16", typ.Size())
	}
	if path := pointerIn(typ); path != "" {
		t.Errorf("conn has a pointer: %s", path)
	}
}

// pointerIn names the first pointer of a type, or returns "".
func pointerIn(typ reflect.Type) string {
	switch typ.Kind() {
	case reflect.Struct:
		for i := range typ.NumField() {
			f := typ.Field(i)
			if path := pointerIn(f.Type); path != "" {
				return f.Name + " " + path
			}
		}
	case reflect.Array:
		if typ.Len() > 0 {
			return pointerIn(typ.Elem())
		}
	case reflect.Pointer, reflect.UnsafePointer, reflect.Slice, reflect.String, reflect.Map,
		reflect.Chan, reflect.Func, reflect.Interface:
		return typ.String()
	}
	return ""
}

func TestFlushOncePerTurn(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		_, peer := r.pair()
		for turn := 1; turn <= 20; turn++ {
			if turn%2 == 0 {
				peer.send([]byte("x"))
			}
			if turn%5 == 0 {
				r.tick()
			} else {
				r.step()
			}
			if r.flushes != turn {
				t.Fatalf("%d calls of Flush in %d turns", r.flushes, turn)
			}
		}
	})
}

// TestClosedOnTheSameTurn closes at every point of a turn, the last ones included.
func TestClosedOnTheSameTurn(t *testing.T) {
	for name, arm := range map[string]func(*rig, Token){
		"Before": func(r *rig, token Token) { r.l.Close(token, nil) },
		"Data": func(r *rig, token Token) {
			r.onData = func(token Token, b []byte) int { r.l.Close(token, nil); return len(b) }
		},
		"Flush": func(r *rig, token Token) { r.onFlush = func() { r.l.Close(token, nil) } },
		"Write": func(r *rig, token Token) {
			r.k.onWrite = func(int, []byte) (int, syscall.Errno) { return -1, syscall.EPIPE }
			r.onFlush = func() { _ = r.l.Write(token, []byte("x")) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachMechanism(t, func(t *testing.T, r *rig) {
				token, peer := r.pair()
				peer.send([]byte("x"))
				arm(r, token)
				r.step()
				if r.closedCount[token] != 1 {
					t.Errorf("Closed came %d times by the end of the turn", r.closedCount[token])
				}
			})
		})
	}
}

// TestCloseGivesMemoryBack closes with output queued and input left.
func TestCloseGivesMemoryBack(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, peer := r.pair()
		r.onData = func(Token, []byte) int { return 0 }
		r.k.onWrite = func(int, []byte) (int, syscall.Errno) { return -1, syscall.EAGAIN }
		r.k.onWritev = func(int, [][]byte) (int, syscall.Errno) { return -1, syscall.EAGAIN }
		_ = r.l.Write(token, make([]byte, 10))
		peer.send(make([]byte, 600))
		r.step()
		r.l.Close(token, nil)
		for _, size := range []int{smallBlockBytes, 600} {
			if n := len(r.l.buffers.classes[class(size)].free); n != 1 {
				t.Errorf("%d buffers for %d bytes are free, want 1", n, size)
			}
		}
	})
}

// TestRestOnALaterTurn has each turn present bytes once, and the socket left alone
// until all are consumed.
func TestRestOnALaterTurn(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, peer := r.pair()
		reads, calls := 0, 0
		r.k.onRead = func(fd int, b []byte) (int, syscall.Errno) { reads++; return r.k.kernel.read(fd, b) }
		r.onData = func(_ Token, b []byte) int {
			calls++
			r.data[token] = append(r.data[token], b[0])
			return 1
		}
		peer.send([]byte("abc"))
		for turn := 1; turn <= 3; turn++ {
			r.step()
			if calls != turn || reads != 1 {
				t.Fatalf("turn %d: %d calls of Data and %d reads", turn, calls, reads)
			}
		}
		peer.send([]byte("d"))
		r.step()
		if string(r.data[token]) != "abcd" {
			t.Errorf("Data brought %q", r.data[token])
		}
	})
}

// TestRestsDoNotMultiply pauses and resumes a connection that leaves its bytes.
func TestRestsDoNotMultiply(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, peer := r.pair()
		r.onData = func(Token, []byte) int { return 0 }
		peer.send([]byte("x"))
		for range 10 {
			r.step()
			r.l.Pause(token)
			r.l.Resume(token)
		}
		if n := len(r.l.rests); n != 1 {
			t.Errorf("the connection is listed %d times for the next turn", n)
		}
	})
}

// TestAskOfAClosedDescriptor asks the system about a connection at the moment when its
// descriptor has gone back and may be another connection's.
func TestAskOfAClosedDescriptor(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		ln := r.listen()
		token, _ := r.dial(ln)
		if _, err := r.l.RemoteAddr(token); err != nil {
			t.Fatal(err)
		}
		asked := false
		r.k.onClose = func(int) syscall.Errno {
			asked = true
			if addr, err := r.l.RemoteAddr(token); !errors.Is(err, ErrClosed) {
				t.Errorf("RemoteAddr: %v, %v, want ErrClosed", addr, err)
			}
			if state, err := r.l.Socket(token); !errors.Is(err, ErrClosed) {
				t.Errorf("Socket: %v, %v, want ErrClosed", state, err)
			}
			return 0
		}
		r.l.Close(token, nil)
		r.step()
		r.k.onClose = nil
		if !asked {
			t.Error("the descriptor was not closed")
		}
	})
}

// TestSocketChangesHands has the connection end while the system is asked, so that the
// answer is about another.
func TestSocketChangesHands(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, _ := r.pair()
		r.k.onSocket = func(int) (SocketState, syscall.Errno) {
			r.l.Close(token, nil)
			r.step()
			return SocketState{Unsent: 7}, 0
		}
		if state, err := r.l.Socket(token); !errors.Is(err, ErrClosed) || state != (SocketState{}) {
			t.Errorf("Socket: %v, %v, want ErrClosed", state, err)
		}
		r.k.onSocket = func(int) (SocketState, syscall.Errno) {
			t.Error("the system was asked for a stale token")
			return SocketState{}, 0
		}
		_, _ = r.l.Socket(token)
	})
}

func TestSocketFails(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, _ := r.pair()
		r.k.onSocket = func(int) (SocketState, syscall.Errno) { return SocketState{}, syscall.ENOBUFS }
		if _, err := r.l.Socket(token); !errors.Is(err, syscall.ENOBUFS) {
			t.Errorf("Socket: %v, want ENOBUFS", err)
		}
		r.k.onSocket = nil
		if _, errno := r.k.socketState(-1); errno != syscall.EBADF {
			t.Errorf("the state of no descriptor: %v, want EBADF", errno)
		}
	})
}

// TestSocketOfTheSystem has the kernel of this machine tell, over TCP and a Unix socket.
func TestSocketOfTheSystem(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, client := r.dial(r.listen())
		state := func(token Token) SocketState {
			s, err := r.l.Socket(token)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		r.until("a byte to be acknowledged", func() bool {
			_ = r.l.Write(token, []byte("x"))
			s := state(token)
			return s.RTT > 0 && s.Unsent == 0
		})
		_ = r.l.Write(token, make([]byte, 16<<20))
		r.until("the socket to be full", func() bool { return state(token).Unsent > 0 })
		r.l.Close(token, nil)
		client.Close()

		local, peer := r.pair()
		_ = r.l.Write(local, make([]byte, 1000))
		if s := state(local); s.Unsent < 1000 || s.RTT != 0 {
			t.Errorf("%+v with 1000 bytes that the peer has not read", s)
		}
		peer.receive()
		if s := state(local); s != (SocketState{}) {
			t.Errorf("%+v with nothing that the peer has not read", s)
		}
	})
}

// TestHeld compares what a connection holds with the meter and with the sizes of buffers.
func TestHeld(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, peer := r.pair()
		want := func(step string, n int) {
			t.Helper()
			if held, metered := r.l.Held(token), r.l.buffers.kept+n; held != n || int(r.meter.Load()) != metered {
				t.Errorf("%s: %d bytes are held, want %d; the meter says %d, want %d", step, held, n, r.meter.Load(), metered)
			}
		}
		want("idle", 0)
		again := func(int, [][]byte) (int, syscall.Errno) { return -1, syscall.EAGAIN }
		r.k.onWrite = func(int, []byte) (int, syscall.Errno) { return -1, syscall.EAGAIN }
		r.k.onWritev = again
		_ = r.l.Write(token, make([]byte, 10))
		want("a little output", smallBlockBytes)
		_ = r.l.Write(token, make([]byte, smallBlockBytes))
		want("more output", 3*smallBlockBytes)
		r.onData = func(_ Token, b []byte) int { return len(b) - 600 }
		peer.send(make([]byte, 1000))
		r.step()
		want("input besides", 3*smallBlockBytes+1024)
		r.k.onWritev = nil
		r.until("the queue to drain", func() bool { return r.l.Pending(token) == 0 })
		want("input", 1024)
		r.onData = nil
		r.step()
		want("nothing", 0)
		r.k.onWritev = again
		_ = r.l.Write(token, make([]byte, 10))
		r.l.Close(token, nil)
		want("closed", 0)
	})
}

// TestGenerationSkipsZero lets a slot's generation run over.
func TestGenerationSkipsZero(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, _ := r.pair()
		r.l.Close(token, nil)
		r.step()
		r.conn(token).generation.Store(^uint32(0))
		last, _ := r.pair()
		r.l.Close(last, nil)
		r.step()
		if next := r.conn(last).generation.Load(); next != 1 {
			t.Errorf("generation %d after the last one, want 1", next)
		}
	})
}

func TestReusePort(t *testing.T) {
	const loops = 3
	d, err := NewNative(Options{Loops: loops, ReusePort: true})
	if err != nil {
		t.Fatal(err)
	}
	listeners, err := Listen(context.Background(), "tcp", "127.0.0.1:0", loops)
	if err != nil {
		t.Fatal(err)
	}
	addr := listeners[0].Addr().String()
	for _, ln := range listeners {
		if ln.Addr().String() != addr {
			t.Errorf("listeners on %v and %s", ln.Addr(), addr)
		}
		if err := d.AddListener(ln); err != nil {
			t.Fatal(err)
		}
	}
	for i, l := range d.loops {
		if len(l.listeners) != 1 {
			t.Errorf("loop %d has %d listeners, want 1", i, len(l.listeners))
		}
	}
	served, arrived := make(chan error, 1), make(chan int, 100)
	go func() {
		served <- d.Serve(func(l Loop) Handler {
			r := newRecorder(l)
			r.onData = func(token Token, b []byte) int {
				arrived <- l.Index()
				_ = l.Write(token, b)
				return len(b)
			}
			return r
		})
	}()
	// The kernel chooses the listener by a hash of the client's port, so that many
	// clients reach every loop.
	reached := map[int]bool{}
	for i := 0; len(reached) < loops; i++ {
		if i == 1000 {
			t.Fatalf("1000 clients reached the loops %v only", reached)
		}
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		var b [1]byte
		_, _ = c.Write([]byte("x"))
		if _, err := c.Read(b[:]); err != nil {
			t.Fatal(err)
		}
		c.Close()
		reached[arrives(t, arrived, "Data")] = true
	}
	if n := d.Stats().Accepted.Load(); n < loops {
		t.Errorf("Accepted is %d", n)
	}
	d.Stop()
	if err := arrives(t, served, "Serve to return"); err != nil {
		t.Error(err)
	}
}

func TestListenFails(t *testing.T) {
	if _, err := Listen(context.Background(), "tcp", "256.0.0.1:x", 2); err == nil {
		t.Error("Listen on nonsense succeeded")
	}
}

// bareListener has no descriptor.
type bareListener struct{ net.Listener }

func TestDriverRefuses(t *testing.T) {
	d, err := NewNative(Options{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.AddListener(bareListener{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("AddListener without a descriptor: %v, want ErrUnsupported", err)
	}
	d.Stop()
	if err := d.Serve(func(l Loop) Handler { return newRecorder(l) }); err == nil {
		t.Error("Serve after Stop succeeded")
	}
	calls := 0
	_, err = newNative(Options{Loops: 3}, func() (mechanism, error) {
		if calls++; calls == 3 {
			return nil, syscall.EMFILE
		}
		return newMechanism()
	}, newKernel)
	if !errors.Is(err, syscall.EMFILE) {
		t.Errorf("a loop without a mechanism: %v, want EMFILE", err)
	}
}
