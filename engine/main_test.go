package engine

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails the run when a test left a goroutine or a descriptor behind: every server must
// give back all that it took.
func TestMain(m *testing.M) {
	warmUp()
	before := descriptors()
	code := m.Run()
	if code == 0 {
		if left := leaks(before); left != "" {
			fmt.Fprintln(os.Stderr, left)
			code = 1
		}
	}
	os.Exit(code)
}

// warmUp makes the Go runtime open what it keeps for good, such as its own epoll descriptor.
func warmUp() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	ln.Close()
}

// leaks says what is left. A goroutine that is on its way out gets a moment.
func leaks(before map[string]string) (left string) {
	deadline := time.Now().Add(patience)
	for {
		left = leakedGoroutines()
		for name, target := range descriptors() {
			if before[name] != target {
				left += fmt.Sprintf("leaked descriptor %s: %s\n", name, target)
			}
		}
		if left == "" || time.Now().After(deadline) {
			return left
		}
		runtime.Gosched()
	}
}

// leakedGoroutines returns the stacks of goroutines that run code of this module.
func leakedGoroutines() (left string) {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for i, stack := range bytes.Split(stacks, []byte("\n\n")) {
		if i > 0 && bytes.Contains(stack, []byte("wsloop/engine")) { // the first is this one
			left += fmt.Sprintf("leaked %s\n\n", stack)
		}
	}
	return left
}

// descriptors maps what is open to what it is, where the system tells.
func descriptors() map[string]string {
	const dir = "/proc/self/fd"
	open := make(map[string]string)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		target, err := os.Readlink(dir + "/" + e.Name())
		if err == nil && !strings.HasPrefix(target, "/proc/") { // ReadDir's own is gone again
			open[e.Name()] = target
		}
	}
	return open
}
