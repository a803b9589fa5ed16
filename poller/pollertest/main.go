package pollertest

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// Main runs the tests and exits. It fails when goroutines or descriptors are left
// that were not there before. Goroutines with a function of lasting in their stacks may stay: a library keeps them.
func Main(m *testing.M, lasting ...string) {
	// The runtime makes descriptors of its own at the first use of a socket.
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
	}
	before := descriptors()
	code := m.Run()
	if code == 0 {
		code = max(
			settle("goroutines", func() []string { return goroutines(lasting) }),
			settle("descriptors", func() []string { return added(before, descriptors()) }))
	}
	os.Exit(code)
}

// settle gives what is ending the time to end, then reports what is left.
func settle(what string, left func() []string) int {
	var l []string
	for start := time.Now(); time.Since(start) < deadline; runtime.Gosched() {
		if l = left(); len(l) == 0 {
			return 0
		}
	}
	fmt.Fprintf(os.Stderr, "%s left after the tests:\n%s\n", what, strings.Join(l, "\n"))
	return 1
}

// goroutines are the stacks of all but this one, those of the runtime's own
// services, which never end, and those that may last.
func goroutines(lasting []string) []string {
	buf := make([]byte, 1<<20)
	stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	return slices.DeleteFunc(stacks[1:], func(stack string) bool {
		return strings.Contains(stack, "os/signal.loop") || strings.Contains(stack, "os/signal.signal_recv") ||
			slices.ContainsFunc(lasting, func(function string) bool { return strings.Contains(stack, function) })
	})
}

// descriptors lists what is open, where the system can tell.
func descriptors() []string {
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var all []string
	for _, entry := range entries {
		target, err := os.Readlink(dir + "/" + entry.Name())
		if err != nil {
			continue // the descriptor of the directory itself
		}
		all = append(all, entry.Name()+" "+target)
	}
	return all
}

func added(before, after []string) []string {
	return slices.DeleteFunc(after, func(d string) bool { return slices.Contains(before, d) })
}
