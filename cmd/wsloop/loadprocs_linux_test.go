package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// childrenOf returns the processes that one has started; there are n.
func childrenOf(t *testing.T, parent, n int) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		var pid, ppid int
		var state string
		_, rest, _ := strings.Cut(string(text), ") ")
		if _, err := fmt.Sscan(rest, &state, &ppid); err != nil || ppid != parent {
			continue
		}
		if _, err := fmt.Sscan(string(text), &pid); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if len(pids) != n {
		t.Fatalf("process %d has the children %v, want %d", parent, pids, n)
	}
	return pids
}

// Ctrl-C, which a terminal sends to the children as well, ends a run that is reported.
func TestLoadProcsInterrupted(t *testing.T) {
	t.Parallel()
	w := watch(t, answerEcho)
	p := launch(t, "load", "-procs", "2", "-c", "10", "-warmup", "0", "-duration", "1h", "-drain", "1m", w.url)
	w.await(&w.received, 100)
	for _, pid := range childrenOf(t, p.Process.Pid, 2) {
		child, err := os.FindProcess(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
	}
	p.signal(os.Interrupt)
	status, stdout, stderr := p.exit()
	if status != 0 || !strings.Contains(stdout, "messages/s") {
		t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
	}
	if w.await(&w.ended, 10); w.endedWithoutCode != 0 {
		t.Errorf("%d connections were cut off", w.endedWithoutCode)
	}
}

// A child that is killed is an error in the report, and in the exit status.
func TestLoadProcsChildKilled(t *testing.T) {
	t.Parallel()
	w := watch(t, answerEcho)
	path := filepath.Join(t.TempDir(), "r.json")
	p := launch(t, "load", "-procs", "2", "-c", "10", "-warmup", "0", "-duration", "1h", "-drain", "1m", "-json", path, w.url)
	w.await(&w.received, 100)
	p.kill(childrenOf(t, p.Process.Pid, 2)[0])
	w.await(&w.ended, 5)
	p.signal(os.Interrupt)
	status, stdout, stderr := p.exit()
	if status != 1 || !strings.Contains(stderr, "killed") {
		t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
	}
	r := readReport(t, path)
	if n := r.Errors["a process of the generator ended early (signal: killed)"]; n != 1 || r.Connect.Lost != 5 || r.Connect.Opened != 10 {
		t.Errorf("%+v %v", r.Connect, r.Errors)
	}
}
