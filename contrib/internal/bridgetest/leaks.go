package bridgetest

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// Main is for TestMain: it fails the run when goroutines are left whose stack has one of the words.
func Main(m *testing.M, words ...string) {
	code := m.Run()
	if code == 0 {
		if left := Leaks(words...); left != "" {
			fmt.Fprintln(os.Stderr, left)
			code = 1
		}
	}
	os.Exit(code)
}

// Leaks says which goroutines are left whose stack has one of the words. Those on their way out get a moment.
func Leaks(words ...string) (left string) {
	for deadline := time.Now().Add(Patience); ; runtime.Gosched() {
		left = ""
		stacks := make([]byte, 4<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for i, stack := range bytes.Split(stacks, []byte("\n\n")) {
			if i > 0 && hasAny(stack, words) { // the first is this one
				left += fmt.Sprintf("leaked %s\n\n", stack)
			}
		}
		if left == "" || time.Now().After(deadline) {
			return left
		}
	}
}

func hasAny(stack []byte, words []string) bool {
	for _, word := range words {
		if bytes.Contains(stack, []byte(word)) {
			return true
		}
	}
	return false
}
