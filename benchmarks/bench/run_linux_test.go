package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/benchmarks/internal/runner"
)

func plan(t *testing.T, line string) (runner.Plan, error) {
	t.Helper()
	f := newRunFlags("test", "short", io.Discard)
	if err := f.set.Parse(strings.Fields(line)); err != nil {
		t.Fatal(err)
	}
	return f.plan()
}

func TestPlan(t *testing.T) {
	p, err := plan(t, "")
	if short, _ := runner.Suite("short"); err != nil || fmt.Sprint(p) != fmt.Sprint(short) {
		t.Errorf("%+v, %v", p, err)
	}
	p, err = plan(t, "-suite full -cells idle -cells churn,mask -servers c,wsloop -servers gws -rounds 5 -seconds 0.25")
	want := "{custom [idle/18000/0/125 churn/100/1/125 mask/0/0/0] [c wsloop gws] 5 0.25 0.3 10000000}"
	if err != nil || fmt.Sprint(p) != want {
		t.Errorf("%+v, %v; expected %s", p, err, want)
	}
	for _, line := range []string{"-suite x", "-cells x", "-servers x", "-rounds -1", "-seconds -1"} {
		if p, err := plan(t, line); err == nil {
			t.Errorf("%s: %+v", line, p)
		}
	}
}

func TestRunUsage(t *testing.T) {
	for _, line := range []string{"run -nonsense", "run more", "run -cells x", "compare", "compare -nonsense", "compare a b", "compare -cells x HEAD"} {
		if status, stdout, stderr := try(t, strings.Fields(line)...); status != 2 || stdout != "" || stderr == "" {
			t.Errorf("%q: %d, %q, %q", line, status, stdout, stderr)
		}
	}
	out := file(t, "samples.jsonl", "precious")
	if status, _, stderr := try(t, "run", "-out", out); status != 1 || !strings.Contains(stderr, "exists") {
		t.Errorf("%d, %q", status, stderr)
	}
	if status, _, stderr := try(t, "run", "-append", "-out", out); status != 1 || !strings.Contains(stderr, "not whole") {
		t.Errorf("%d, %q", status, stderr)
	}
	t.Chdir(t.TempDir())
	if status, _, stderr := try(t, "run"); status != 1 || !strings.Contains(stderr, "not in a checkout") {
		t.Errorf("%d, %q", status, stderr)
	}
}

func needMachine(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and measures")
	}
	for _, name := range []string{"cc", "go", "git"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	if runtime.NumCPU() < 2 {
		t.Skip("it takes two processors")
	}
}

// What run measures, report reads.
func TestRun(t *testing.T) {
	needMachine(t)
	out := filepath.Join(t.TempDir(), "samples.jsonl")
	for range 2 {
		status, _, stderr := try(t, "run", "-append", "-out", out, "-cells", "echo/1/1/125", "-servers", "c", "-rounds", "1", "-seconds", "0.2")
		if status != 0 {
			t.Fatal(stderr)
		}
	}
	if b, err := os.ReadFile(out); err != nil || strings.Count(string(b), `"kind":"run"`) != 2 {
		t.Errorf("%v: %s", err, b)
	}
	if status, stdout, stderr := try(t, "report", out); status != 0 || !strings.Contains(stdout, "1 connection") {
		t.Errorf("%d, %q, %q", status, stdout, stderr)
	}
	status, stdout, stderr := try(t, "run", "-cells", "echo/1/1/125", "-servers", "c", "-rounds", "1", "-seconds", "0.2")
	if status != 0 || !strings.HasPrefix(stdout, `{"kind":"run"`) {
		t.Errorf("%d, %q, %q", status, stdout, stderr)
	}
	status, stdout, stderr = try(t, "compare", "-cells", "echo/1/1/125", "-servers", "wsloop", "-rounds", "1", "-seconds", "0.2", "HEAD")
	if status != 0 || !strings.Contains(stdout, "now/before") {
		t.Errorf("%d, %q, %q", status, stdout, stderr)
	}
	if status, _, stderr = try(t, "compare", "nonsense"); status != 1 {
		t.Errorf("%d, %q", status, stderr)
	}
}
