package main

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

func TestAppendCounts(t *testing.T) {
	got := appendCounts([]byte("before"), 10, &runtime.MemStats{Mallocs: 20, NumGC: 30})
	if want := `before{"messages":10,"mallocs":20,"cycles":30}` + "\n"; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	line, memory := make([]byte, 0, 128), new(runtime.MemStats)
	if n := testing.AllocsPerRun(100, func() { line = appendCounts(line[:0], 1<<63, memory) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAnswer(t *testing.T) {
	var messages atomic.Uint64
	messages.Store(7)
	var out strings.Builder
	if err := answer(strings.NewReader("now\nand now\n"), &out, &messages); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(out.String(), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[1], `{"messages":7,"mallocs":`) {
		t.Errorf("%q", lines)
	}
}

func TestAnswerFails(t *testing.T) {
	broken := errors.New("broken")
	in, out := io.Pipe()
	in.CloseWithError(broken)
	if err := answer(strings.NewReader("now\n"), out, new(atomic.Uint64)); !errors.Is(err, broken) {
		t.Errorf("a write that fails: %v", err)
	}
	if err := answer(in, io.Discard, new(atomic.Uint64)); err == nil {
		t.Error("a read that fails: no error")
	}
}
