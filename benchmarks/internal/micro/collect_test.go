package micro

import (
	"fmt"
	"testing"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

func TestCollect(t *testing.T) {
	samples, err := collect(t.Context(), module, 2, 10_000)
	if err != nil || len(samples) != 2 {
		t.Fatalf("%+v, %v", samples, err)
	}
	for i, s := range samples {
		cell := record.Cell{Scenario: record.Collect, Connections: 10_000}
		if s.Cell != cell || s.Server != "wsloop" || s.Round != i+1 || !s.Kept || s.Values[record.CycleTime] <= 0 {
			t.Errorf("%+v", s)
		}
	}
}

func TestCollectFails(t *testing.T) {
	_, err := Collect(t.Context(), t.TempDir(), 1)
	expect(t, err, "go test")
	_, err = collect(t.Context(), module, 1, 17)
	expect(t, err, "no ms/GC")
}

func TestCycleTime(t *testing.T) {
	line := "BenchmarkMillion/1000000-2 \t 1\t 7393061202 ns/op\t 105.2 B/conn\t %s ms/GC\t 10.06 ms/GC-sim\t 502.7 ns/receiver\n"
	for figure, want := range map[string]float64{"8.375": 8.375e6, "9": 9e6} {
		if got, err := cycleTime([]byte(fmt.Sprintf(line, figure))); err != nil || got != want {
			t.Errorf("%s ms: %v, %v", figure, got, err)
		}
	}
	for figure, want := range map[string]string{"0": "no time passed", "1.2.3": "invalid syntax", "x": "no ms/GC"} {
		_, err := cycleTime([]byte(fmt.Sprintf(line, figure)))
		expect(t, err, want)
	}
	if got, err := cycleTime([]byte("BenchmarkMillion/7 1 3 ms/GC")); err != nil || got != 3e6 {
		t.Errorf("at the end: %v, %v", got, err)
	}
}
