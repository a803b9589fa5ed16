package micro

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

func TestMaskSamples(t *testing.T) {
	text := "goos: linux\nBenchmarkMask/bytes=16/lib=wsloop  \t 1000 \t 4.0 ns/op\t 4000 MB/s\n" +
		"BenchmarkReceive/bytes=16/lib=gws 1 9 ns/op\n" +
		"BenchmarkMask/bytes=1048576/lib=memmove\t 1000 \t 1048576 ns/op\nPASS\n"
	got, err := maskSamples([]byte(text), 3)
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, want := range []struct {
		bytes     int
		server    string
		bytesPerS float64
	}{{16, "wsloop", 4e9}, {1 << 20, "memmove", 1e9}} {
		cell := record.Cell{Scenario: record.Mask, Bytes: want.bytes, Cores: 1}
		if s := got[i]; s.Cell != cell || s.Server != want.server || s.Round != 3 || !s.Kept || s.Values[record.BytesPerS] != want.bytesPerS {
			t.Errorf("%+v, want %+v", s, want)
		}
	}
}

func TestMaskSamplesFail(t *testing.T) {
	for text, want := range map[string]string{
		"PASS\n": "no benchmark",
		"BenchmarkMask/bytes=16/lib=a 1 0.0 ns/op":                   "no time passed",
		"BenchmarkMask/bytes=16/lib=a 1 1.2.3 ns/op":                 "invalid syntax",
		"BenchmarkMask/bytes=99999999999999999999/lib=a 1 1.2 ns/op": "out of range",
	} {
		_, err := maskSamples([]byte(text), 1)
		expect(t, err, want)
	}
}

// All libraries are measured, those too that have to be exposed.
func TestMask(t *testing.T) {
	samples, err := masks(t.Context(), module, "^BenchmarkMask$/^bytes=16$", 2)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]string, 3)
	for _, s := range samples {
		got[s.Round] += " " + s.Server
	}
	const all = " memmove wsloop gobwas greatws coder fasthttp gorilla gws nbio"
	if want := []string{"", all, all}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestText(t *testing.T) {
	var out strings.Builder
	if err := Text(t.Context(), module, "^BenchmarkHandshake$/wsloop", 1, &out); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "\nBenchmarkHandshake/lib=wsloop") || strings.Contains(text, "Mask") {
		t.Errorf("got %s", text)
	}
}

func TestExposureFails(t *testing.T) {
	work := t.TempDir()
	for _, c := range []struct {
		exposure
		want string
	}{
		{exposure{"example.invalid/none", ".", ""}, "example.invalid/none"},
		{exposure{"github.com/lxzan/gws", "nowhere", ""}, "nowhere"},
		{exposure{"github.com/lxzan/gws", ".", ""}, "exists"}, // copied by the one before
	} {
		expect(t, c.add(t.Context(), module, work, work+"/go.mod"), c.want)
	}
}

func TestBenchmarkFails(t *testing.T) {
	_, err := Mask(t.Context(), t.TempDir(), 1)
	expect(t, err, "go.mod: no such file")
	err = benchmark(t.Context(), module, "(", 1, nil)
	expect(t, err, "-test.bench")
	full := errors.New("full")
	err = benchmark(t.Context(), module, "None", 1, func(int, []byte) error { return full })
	expect(t, err, "full")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Mask(ctx, module, 1)
	expect(t, err, "canceled")
	t.Setenv("TMPDIR", "/nowhere")
	_, err = Mask(t.Context(), module, 1)
	expect(t, err, "/nowhere")
}
