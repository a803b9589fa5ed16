//go:build linux || darwin || freebsd

package tlsdriver_test

import (
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// crowdSize is how many connections the process can hold both ends of, at most most.
func crowdSize(t *testing.T, most int) int {
	t.Helper()
	if testing.Short() {
		most = min(most, 500)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return min(most, int(limit.Cur)/2-200)
}

// TestCrowdOfHalfOpen has thousands of clients stop behind their ClientHello. New ones get in; the others cost what the log says.
func TestCrowdOfHalfOpen(t *testing.T) {
	many := crowdSize(t, 4000)
	a := newAuthority(t)
	r := newRig(t, tlsdriver.Options{Config: a.server(t), HandshakeTimeout: time.Hour}, 1, nil) // which leaves a processor to the clients
	first := hello(t, a.client())
	before, all := heapAndStacks(), make([]*net.TCPConn, many)
	for i := range all {
		all[i] = r.dial()
		if _, err := all[i].Write(first); err != nil {
			t.Fatal(err)
		}
		if i%1000 == 0 {
			echo(t, r.secure(a.client()), pattern(100))
		}
	}
	await(t, "all to come", func() bool { return r.driver.Stats().Pending.Load() == int64(many) })
	t.Logf("%d handshakes in progress: %d bytes of heap and stack each, and %d goroutines",
		many, (heapAndStacks()-before)/many, runtime.NumGoroutine())
	for range 5 {
		echo(t, r.secure(a.client()), pattern(100))
	}
	if n := r.driver.Stats().Evicted.Load() + r.driver.Stats().TimedOut.Load(); n != 0 {
		t.Errorf("%d were ended", n)
	}
}

// TestCrowdAtRest has thousands of finished connections: no goroutine is theirs.
func TestCrowdAtRest(t *testing.T) {
	many := crowdSize(t, 2000)
	a := newAuthority(t)
	r := newRig(t, tlsdriver.Options{Config: a.server(t)}, 1, nil)
	before := runtime.NumGoroutine()
	for range many {
		echo(t, r.secure(a.client()), pattern(125))
	}
	await(t, "the handshakes' goroutines to end", func() bool { return runtime.NumGoroutine() <= before+2 })
}

func heapAndStacks() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}
