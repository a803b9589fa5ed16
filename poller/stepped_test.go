//go:build linux

package poller

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHandToALoopThatIsShut accepts for another loop that ended meanwhile.
func TestHandToALoopThatIsShut(t *testing.T) {
	kernels := []*faultKernel{}
	d, err := newNative(Options{Loops: 2}, newMechanism, func() kernel {
		kernels = append(kernels, &faultKernel{kernel: newKernel(), opens: map[int]int{}, closes: map[int]int{}})
		return kernels[len(kernels)-1]
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range d.loops {
		l.handler = newRecorder(l)
	}
	from, to := d.loops[0], d.loops[1]
	to.shut()
	from.count.Add(1) // so that the other has fewer
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	from.place(fds[0])
	if kernels[0].closes[fds[0]] != 1 || to.count.Load() != 0 || len(to.handed) != 0 {
		t.Errorf("the descriptor was closed %d times, the loop counts %d connections", kernels[0].closes[fds[0]], to.count.Load())
	}
	if n, errno := readRaw(fds[1], make([]byte, 1)); n != 0 || errno != syscall.Errno(0) {
		t.Errorf("the peer read %d bytes, %v, want the end", n, errno)
	}
	from.shut()
}
