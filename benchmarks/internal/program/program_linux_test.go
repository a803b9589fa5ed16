package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

// within is a context that ends long after a test should have.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func script(t *testing.T, s Spec, text string) *Program {
	t.Helper()
	s.Command = []string{"sh", "-c", text}
	p, err := Start(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.End)
	return p
}

func expect(t *testing.T, p *Program, want string) {
	t.Helper()
	if got, err := p.Said.Line(within(t)); err != nil || got != want {
		t.Fatalf("%q, %v; expected %q", got, err, want)
	}
}

func TestTalk(t *testing.T) {
	p := script(t, Spec{Env: []string{"WORD=hello"}, Dir: "/"}, `echo "$WORD $PWD" >&2; read -r line; echo "$line $$"; printf end`)
	expect(t, p, "hello /")
	if err := p.Alive(); err != nil {
		t.Error(err)
	}
	if _, err := p.Stdin.Write([]byte("bye\n")); err != nil {
		t.Fatal(err)
	}
	expect(t, p, fmt.Sprint("bye ", p.PID()))
	expect(t, p, "end")
	if _, err := p.Said.Line(within(t)); !errors.Is(err, io.EOF) {
		t.Errorf("%v, expected the end", err)
	}
	if err := p.Wait(within(t)); err != nil {
		t.Error(err)
	}
	if err := p.Alive(); err == nil || !strings.Contains(err.Error(), "bye") {
		t.Errorf("it lives: %v", err)
	}
	if p.CPU() < 0 {
		t.Error(p.CPU())
	}
}

// Whoever waits learns why a program failed.
func TestFailure(t *testing.T) {
	p := script(t, Spec{}, "echo no luck >&2; exit 3")
	err := p.Wait(within(t))
	if err == nil || !strings.HasPrefix(err.Error(), "sh: exit status 3: no luck") {
		t.Error(err)
	}
	if _, err := Start(Spec{Command: []string{"/does/not/exist"}}); err == nil {
		t.Error("a program that is not there was started")
	}
}

// A program that is not wanted any more ends, whether it agrees or not.
func TestEnd(t *testing.T) {
	for _, text := range []string{"echo up; read -r line", "trap '' TERM; echo up; while :; do read -r line || :; done"} {
		p := script(t, Spec{}, text)
		expect(t, p, "up")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if p.Alive() == nil {
			t.Errorf("%q runs on", text)
		}
		if _, err := newOutput().Line(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// A program stays on its processors, and its starter on all.
func TestProcessors(t *testing.T) {
	runtime.LockOSThread() // what starts a program moves its own thread
	defer runtime.UnlockOSThread()
	before, err := CPUs()
	if err != nil || len(before) == 0 {
		t.Fatal(before, err)
	}
	last := before[len(before)-1]
	p := script(t, Spec{CPUs: []int{last}}, "sed -n 's/Cpus_allowed_list:[[:blank:]]*//p' /proc/self/status")
	expect(t, p, fmt.Sprint(last))
	if after, err := CPUs(); err != nil || fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the processors were %v, and are %v, %v", before, after, err)
	}
	if _, err := Start(Spec{Command: []string{"true"}, CPUs: []int{1023}}); err == nil {
		t.Error("it runs on a processor that is not there")
	}
}

func TestOutput(t *testing.T) {
	o := newOutput()
	for _, part := range []string{"a", "b\nc\n", strings.Repeat("x", lineMaxBytes+1), "d\n"} {
		if n, err := o.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	for i := range 2 * linesMax {
		fmt.Fprintln(o, i)
	}
	o.close()
	for _, want := range []string{"ab", "c", "d", "0"} {
		if got, err := o.Line(t.Context()); err != nil || got != want {
			t.Errorf("%q, %v; expected %q", got, err, want)
		}
	}
	last := o.Last()
	if len(last) != lastLines || last[lastLines-1] != fmt.Sprint(2*linesMax-1) {
		t.Error(last)
	}
}
