package report

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

func TestFormats(t *testing.T) {
	for _, c := range []struct {
		unit        unit
		v           float64
		long, short string
	}{
		{nanos, 0, "0 ns", "0 ns"},
		{nanos, 999, "999 ns", "999 ns"},
		{nanos, 1000, "1.00 µs", "1 µs"},
		{nanos, 9994, "9.99 µs", "9.99 µs"},
		{nanos, 9996, "10.0 µs", "10 µs"},
		{nanos, 999_499, "999 µs", "999 µs"},
		{nanos, 999_500, "1.00 ms", "1 ms"},
		{nanos, 12_345_678, "12.3 ms", "12.3 ms"},
		{nanos, 1e9, "1.00 s", "1 s"},
		{nanos, 3600e9, "3600 s", "3600 s"},
		{nanos, -1500, "-1.50 µs", "-1.5 µs"},
		{count, 0, "0", "0"},
		{count, 999, "999", "999"},
		{count, 1234567, "1,234,567", "1.23 M"},
		{count, -1000, "-1,000", "-1 k"},
		{count, -100, "-100", "-100"},
		{rate, 12345, "12.3 k/s", "12.3 k"},
		{rate, 0.5, "0.50/s", "0.5"},
		{octets, 125, "125 B", "125 B"},
		{octets, 999.9, "1.00 kB", "1 kB"},
		{octets, 2.5e9, "2.50 GB", "2.5 GB"},
		{byteRate, 100e6, "100 MB/s", "100 MB/s"},
		{octets, 5e18, "5000 PB", "5000 PB"},
	} {
		if got := c.unit.format(c.v); got != c.long {
			t.Errorf("%v %s: %q, want %q", c.v, c.unit, got, c.long)
		}
		if got := c.unit.short(c.v); got != c.short {
			t.Errorf("%v %s in short: %q, want %q", c.v, c.unit, got, c.short)
		}
	}
}

func TestMachine(t *testing.T) {
	proc := t.TempDir()
	for name, text := range map[string]string{
		"cpuinfo":              "processor\t: 0\nmodel name\t: Example: 2 GHz\nmodel name\t: other\n",
		"meminfo":              "MemTotal:        8000 kB\nMemFree: 1 kB\n",
		"sys/kernel/osrelease": "6.1.0-test\n",
	} {
		path := filepath.Join(proc, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := machineAt(proc), (Machine{CPU: "Example: 2 GHz", MemoryBytes: 8000 << 10, Kernel: "6.1.0-test"}); got != want {
		t.Errorf("%+v", got)
	}
	if got := machineAt(filepath.Join(proc, "nowhere")); got != (Machine{}) {
		t.Errorf("%+v", got)
	}
	r := New([]string{"wsloop", "load"}, time.Unix(1, 0))
	if m := r.Machine; m.OS != runtime.GOOS || m.Arch != runtime.GOARCH || m.Cores < 1 || m.Go == "" || m.Wsloop == "" {
		t.Errorf("%+v", m)
	}
	if r.Schema != Schema || len(r.Command) != 2 || r.Start.Unix() != 1 {
		t.Errorf("%+v", r)
	}
}
