//go:build linux || darwin || freebsd

package wstest

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// TestMain fails if a run left a goroutine behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := leaks(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "leaked goroutines:\n%s", left)
		code = 1
	}
	os.Exit(code)
}

// leaks are the goroutines of this module but the one that asks. One that is on its way out gets a moment.
func leaks() (left string) {
	deadline := time.Now().Add(30 * time.Second)
	for {
		left = ""
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for i, stack := range bytes.Split(stacks, []byte("\n\n")) {
			if i > 0 && bytes.Contains(stack, []byte("wsloop/")) {
				left += fmt.Sprintf("%s\n\n", stack)
			}
		}
		if left == "" || time.Now().After(deadline) {
			return left
		}
		runtime.Gosched()
	}
}
