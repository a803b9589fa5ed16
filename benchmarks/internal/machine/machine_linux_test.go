package machine

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestDescribe(t *testing.T) {
	m := Describe()
	if m.Cores < 1 || m.MemoryBytes < 1<<20 || m.System == "" || m.Kernel == "" || m.Go == "" {
		t.Errorf("%+v", m)
	}
}

func TestModel(t *testing.T) {
	for cpuinfo, want := range map[string]string{
		"processor\t: 0\nmodel name\t: Some CPU: fast\nmodel name\t: other\n": "Some CPU: fast",
		"processor\t: 0\nBogoMIPS\t: 48.00\n":                                 "",
		"":                                                                    "",
	} {
		if got := model(cpuinfo); got != want {
			t.Errorf("%q: %q", cpuinfo, got)
		}
	}
}

func TestBusyTicks(t *testing.T) {
	const first = "cpu  1 20 300 4000 50000 600000 7000000 80000000 9 9\n"
	if got, err := busyTicks(first + "cpu0 1 2 3 4 5 6 7 8\n"); err != nil || got != 87600321 {
		t.Errorf("%d, %v: idle and waiting are not busy, guests are counted already", got, err)
	}
	for _, stat := range []string{"", "intr 1 2 3 4 5 6 7 8", "cpu 1 2 3", "cpu 1 2 3 4 5 6 7 x"} {
		if _, err := busyTicks(stat); err == nil {
			t.Errorf("%q was taken", stat)
		}
	}
}

func TestRead(t *testing.T) {
	u, err := Read()
	if err != nil || u.Busy <= 0 || u.At.IsZero() {
		t.Errorf("%+v, %v", u, err)
	}
}

// The clock of a process runs while it computes, and it is that process's.
func TestCPU(t *testing.T) {
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); time.Since(begin) < 10*time.Millisecond; {
	}
	after, err := CPU(os.Getpid())
	if err != nil || after <= before {
		t.Errorf("%v, then %v, %v", before, after, err)
	}
	if got, err := CPU(-1); err == nil {
		t.Errorf("process -1 has used %v", got)
	}
	other := exec.Command("cat")
	stdin, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := CPU(other.Process.Pid); err != nil {
		t.Error(err)
	}
	stdin.Close()
	if err := other.Wait(); err != nil {
		t.Fatal(err)
	}
	if got, err := CPU(other.Process.Pid); err == nil {
		t.Errorf("a process that ended has used %v", got)
	}
}

func TestResidentBytes(t *testing.T) {
	const grown = 64 << 20
	before, err := ResidentBytes(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, grown)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	after, err := ResidentBytes(os.Getpid())
	if err != nil || after-before < grown/2 {
		t.Errorf("%d, then %d, %v", before, after, err)
	}
	b[0]++ // it is held until here
	if _, err := ResidentBytes(-1); err == nil {
		t.Error("there is no process -1")
	}
}

func TestResident(t *testing.T) {
	if got, err := resident([]byte("0-1 [rollup]\nRss:      12 kB\nPss: 3 kB\n")); err != nil || got != 12<<10 {
		t.Errorf("%d, %v", got, err)
	}
	for _, rollup := range []string{"", "Pss: 3 kB\n", "Rss: many kB\n"} {
		if _, err := resident([]byte(rollup)); err == nil {
			t.Errorf("%q was taken", rollup)
		}
	}
}
