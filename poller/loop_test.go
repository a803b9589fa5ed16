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

// TestRemoteAddrOfAClosedDescriptor asks for the address at the moment when the
// descriptor has gone back to the system and may be another connection's.
func TestRemoteAddrOfAClosedDescriptor(t *testing.T) {
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
