//go:build unix

package engine

import (
	"bufio"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// An attack is many peers that make a server hold as much as they can, each in its way, and come back when
// they are thrown out.
type attack struct {
	server *Server
	s      *running
	most   atomic.Int64 // of Stats.Memory, ever seen
	stop   chan struct{}
	wg     sync.WaitGroup

	mu       sync.Mutex
	clients  map[net.Conn]struct{}
	sinks    map[Conn]struct{}
	paused   []Conn
	over     bool // no peer is to come and no connection to be paused any more
	ended    sync.Once
	blocking atomic.Int64  // callbacks that did
	release  chan struct{} // lets blocked workers go
	closed   map[error]int // by Closure.Err
}

// ways are what a peer does once it is connected, until it fails. All but the heads begin with a
// handshake for their path.
var ways = map[string]func(a *attack, c net.Conn) error{
	// Most of a message, and then nothing more.
	"/half": func(a *attack, c net.Conn) error {
		if _, err := c.Write(codec.AppendMaskedHeader(nil, true, codec.OpcodeBinary, 1<<20, 1)); err != nil {
			return err
		}
		if _, err := c.Write(make([]byte, 600<<10)); err != nil {
			return err
		}
		return linger(c)
	},
	// A message of many fragments that never ends.
	"/fragments": func(a *attack, c net.Conn) error {
		_, err := io.WriteString(c, masked(false, codec.OpcodeBinary, make([]byte, 1000)))
		more := masked(false, codec.OpcodeContinuation, make([]byte, 1000))
		for err == nil {
			_, err = io.WriteString(c, more)
		}
		return err
	},
	// More tiny frames than a turn takes.
	"/tiny": func(a *attack, c net.Conn) error {
		flood := []byte(strings.Repeat(masked(true, codec.OpcodeBinary, ""), 64<<10/6))
		for {
			if _, err := c.Write(flood); err != nil {
				return err
			}
		}
	},
	// Nothing is read of what the server broadcasts.
	"/sink": func(a *attack, c net.Conn) error { return untilOver(a) },
	// Messages for somebody who does not want them now.
	"/paused": flood,
	// Messages for a callback that blocks.
	"/blocked": flood,
	// A request head that is nearly complete.
	"head": func(a *attack, c net.Conn) error {
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 8000)+"\r\nY: "); err != nil {
			return err
		}
		if _, err := io.WriteString(c, strings.Repeat("y", 7000)); err != nil {
			return err
		}
		return linger(c)
	},
	// A message byte by byte.
	"/bytes": func(a *attack, c net.Conn) error {
		for _, b := range []byte(masked(true, codec.OpcodeBinary, make([]byte, 2000))) {
			if _, err := c.Write([]byte{b}); err != nil {
				return err
			}
		}
		return nil
	},
}

func flood(a *attack, c net.Conn) error {
	message := masked(true, codec.OpcodeBinary, make([]byte, 5000))
	for {
		if _, err := io.WriteString(c, message); err != nil {
			return err
		}
	}
}

// linger reads what comes until the end.
func linger(c net.Conn) error {
	_, err := io.Copy(io.Discard, c)
	return err
}

// untilOver waits until the attack is over.
func untilOver(a *attack) error {
	<-a.stop
	return nil
}

// send attacks in one way, again and again.
func (a *attack) send(path string) {
	defer a.wg.Done()
	for {
		select {
		case <-a.stop:
			return
		default:
		}
		_ = a.once(path)
	}
}

func (a *attack) once(path string) error {
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
	}}
	c, err := dialer.Dial(a.s.network, a.s.addr)
	if err != nil {
		return err
	}
	defer a.drop(c)
	c.SetDeadline(time.Now().Add(patience))
	c.(*net.TCPConn).SetLinger(0) // what is still on its way goes with the attacker
	a.mu.Lock()
	over := a.over
	a.clients[c] = struct{}{}
	a.mu.Unlock()
	if over {
		return nil
	}
	if path[0] == '/' {
		if _, err := io.WriteString(c, head(path)); err != nil {
			return err
		}
		in := bufio.NewReaderSize(c, 512)
		if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, " 101 ") {
			return err
		}
	}
	return ways[path](a, c)
}

func (a *attack) drop(c net.Conn) {
	c.Close()
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.clients, c)
}

// events serve attackers by their path, and echo for everybody else.
func (a *attack) events() Events {
	return Events{
		Upgrade: func(c Conn, r *handshake.Request, _ *handshake.Response) { c.SetData(string(r.Path())) },
		Open: func(c Conn) {
			switch c.Data() {
			case "/sink":
				a.mu.Lock()
				defer a.mu.Unlock()
				a.sinks[c] = struct{}{}
			case "/paused":
				a.mu.Lock()
				defer a.mu.Unlock()
				if !a.over {
					c.Pause()
					a.paused = append(a.paused, c)
				}
			}
		},
		Message: func(c Conn, op codec.Opcode, payload []byte) {
			a.sample()
			switch c.Data() {
			case "/good":
				echo(c, op, payload)
			case "/blocked":
				if a.blocking.Add(1) <= int64(a.server.Workers/2) {
					<-a.release
				}
			}
		},
		Close: func(c Conn, how Closure) {
			a.mu.Lock()
			defer a.mu.Unlock()
			delete(a.sinks, c)
			if errors.Is(how.Err, ErrMemory) {
				a.closed[ErrMemory]++
			}
		},
	}
}

func (a *attack) sample() {
	now := a.server.budget.held.Load()
	for most := a.most.Load(); now > most && !a.most.CompareAndSwap(most, now); most = a.most.Load() {
	}
}

// broadcast sends to those who do not read, of all sizes, until the end.
func (a *attack) broadcast() {
	defer a.wg.Done()
	random := rand.New(rand.NewPCG(1, 2))
	var sinks []Conn
	for {
		select {
		case <-a.stop:
			return
		default:
		}
		sinks = sinks[:0]
		a.mu.Lock()
		for c := range a.sinks {
			sinks = append(sinks, c)
		}
		a.mu.Unlock()
		message := make([]byte, random.IntN(1<<(5+random.IntN(12))))
		for _, c := range sinks {
			_, _ = c.Send(codec.OpcodeBinary, message)
		}
		a.sample()
		runtime.Gosched()
	}
}

// W49: everything that can make the server hold memory, all at once, by many more peers than
// the budget is for. Not for a moment is more held than the budget; those who hold the most are closed with
// 1013; who behaves is served all the while; and in the end all is given back.
func TestBudgetHoldsUnderAttackW49(t *testing.T) {
	t.Parallel()
	for name, workers := range map[string]int{"loops": 0, "workers": 100} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &attack{
				stop: make(chan struct{}), release: make(chan struct{}), clients: make(map[net.Conn]struct{}),
				sinks: make(map[Conn]struct{}), closed: make(map[error]int),
			}
			s := &Server{
				Loops: 2, Workers: workers, MaxMemoryBytes: 16 << 20, MaxMessageBytes: 1 << 20, MaxBufferedBytes: 1 << 20,
				MaxInFlightBytes: 256 << 10, ControlRate: Rate{PerSecond: Unlimited}, CloseTimeout: time.Second, Events: a.events(),
			}
			a.server = s
			listeners, err := s.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			a.run(t, s, listeners)
		})
	}
}

func (a *attack) run(t *testing.T, s *Server, listeners []net.Listener) {
	// Little goes into the sockets: what waits does so in the server, and what the attackers leave behind is soon read.
	raw, err := listeners[0].(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 4<<10)
		syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 64<<10)
	})
	a.s = serveListeners(t, s, listeners...)
	t.Cleanup(a.end)
	good := a.s.openPath("/good")
	for path := range ways {
		for range 12 {
			a.wg.Add(1)
			go a.send(path)
		}
	}
	a.wg.Add(1)
	go a.broadcast()
	rounds := 0
	for deadline := time.Now().Add(patience); rounds < 30 || s.counters.memoryClosures.Load() < 100; rounds++ {
		good.send(codec.OpcodeText, "still there?")
		good.expect(codec.OpcodeText, "still there?")
		a.sample()
		if time.Now().After(deadline) {
			t.Fatalf("after %d rounds: %+v", rounds, s.Stats())
		}
	}
	stats := s.Stats()
	t.Logf("%d rounds, at most %d of %d bytes held: %+v", rounds, a.most.Load(), stats.MaxMemory, stats)
	if a.most.Load() > stats.MaxMemory || stats.MaxMemory != 16<<20 {
		t.Errorf("%d bytes were held with a limit of %d", a.most.Load(), stats.MaxMemory)
	}
	a.end()
	for deadline := time.Now().Add(patience); s.Stats().Connections > 1 || s.Stats().Memory > 1<<20; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("in the end: %+v", s.Stats())
		}
	}
	good.send(codec.OpcodeText, "after all")
	good.expect(codec.OpcodeText, "after all")
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed[ErrMemory] == 0 {
		t.Error("no connection was closed with ErrMemory")
	}
}

// end ends the attack and waits for the attackers.
func (a *attack) end() {
	a.ended.Do(func() {
		close(a.stop)
		close(a.release)
		a.mu.Lock()
		a.over = true
		for c := range a.clients {
			c.Close()
		}
		a.mu.Unlock()
		a.wg.Wait()
		a.mu.Lock()
		for _, c := range a.paused {
			c.Resume()
		}
		a.mu.Unlock()
	})
}

// openPath is open for a path.
func (r *running) openPath(path string) *client {
	r.t.Helper()
	c := r.dial()
	c.write(head(path))
	if status, _, _ := c.response(); status != 101 {
		r.t.Fatalf("status %d, want 101", status)
	}
	return c
}
