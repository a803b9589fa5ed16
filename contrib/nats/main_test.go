package nats

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// patience is how long tests wait for what has to happen.
const patience = 60 * time.Second

// TestMain fails the run when a bridge left a goroutine behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leaks(); left != "" {
			fmt.Fprintln(os.Stderr, left)
			code = 1
		}
	}
	os.Exit(code)
}

// leaks says which goroutines are left. Those on their way out get a moment.
func leaks() (left string) {
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		left = ""
		stacks := make([]byte, 4<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for i, stack := range bytes.Split(stacks, []byte("\n\n")) {
			if i > 0 && (bytes.Contains(stack, []byte("wsloop/")) || bytes.Contains(stack, []byte("nats.go"))) { // the first is this one
				left += fmt.Sprintf("leaked %s\n\n", stack)
			}
		}
		if left == "" || time.Now().After(deadline) {
			return left
		}
	}
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
