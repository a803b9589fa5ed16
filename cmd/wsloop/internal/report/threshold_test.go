package report

import (
	"strings"
	"testing"
)

func TestThresholds(t *testing.T) {
	r := sample()
	for _, c := range []struct {
		in       string
		violated bool
		says     string
	}{
		{"p99>1h", false, "p99 is "},
		{"p50>1us", true, "p50 is "},
		{"p99.9 >= 20ms", true, "(fails if p99.9>=20ms)"},
		{"uncorrected.p99>1s", false, "uncorrected.p99 is "},
		{"uncorrected.max>=2.5ms", false, "uncorrected.max is "},
		{"handshake.mean<1ms", true, "handshake.mean is "},
		{"connect.p12.5>1s", false, "connect.p12.5 is "},
		{"min<0s", false, "min is "},
		{"lost>0", true, "lost is 3 (fails if lost>0)"},
		{"lost>3", false, "lost is 3"},
		{"lost>=3", true, "lost is 3"},
		{"lost<3", false, "lost is 3"},
		{"lost<=3", true, "lost is 3"},
		{"errors>0", true, "errors is 5"},
		{"connects/s<1000", false, "connects/s is 1.00 k/s"},
		{"connects/s<1.5k", true, "connects/s is 1.00 k/s"},
		{"messages/s<1e6", true, "messages/s is 20.0 k/s"},
		{"bytes/s<3MB", true, "bytes/s is 2.50 MB/s"},
		{"bytes/conn>200", true, "bytes/conn is 210 B"},
		{"bytes/conn>0.206 KiB", false, "bytes/conn is 210 B"},
		{"slip>10ms", false, "slip is "},
		{"slip.p99>1ns", true, "slip.p99 is "},
		{"cpu/message>1us", true, "cpu/message is 28.3 µs"},
	} {
		threshold, err := ParseThreshold(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if violated, text := threshold.Check(r); violated != c.violated || !strings.Contains(text, c.says) {
			t.Errorf("%s: %v, %q", threshold, violated, text)
		}
	}
}

func TestWhatWasNotMeasuredFails(t *testing.T) {
	for _, s := range []string{"bytes/conn>200", "p99>1h", "messages/s<1", "slip>1s", "cpu/message>1s", "generator.cpu/message>1s"} {
		threshold, err := ParseThreshold(s)
		if err != nil {
			t.Fatal(err)
		}
		if violated, text := threshold.Check(new(Report)); !violated || !strings.Contains(text, "was not measured") {
			t.Errorf("%s: %v %q", s, violated, text)
		}
	}
}

func TestThresholdErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":                 "none of > >= < <=",
		"p99=5ms":          "none of > >= < <=",
		"p98x>5ms":         "uncorrected., connect., handshake., slip.",
		"p0>5ms":           "unknown figure",
		"p100>5ms":         "min, mean and max",
		"pNaN>5ms":         "unknown figure",
		"99>5ms":           "unknown figure",
		">5ms":             "unknown figure",
		"slip.slip>5ms":    "slip is slip.max",
		"connect.lost>1":   "unknown figure",
		"latency>5ms":      "bytes/conn",
		"p99>5":            "ns, µs, us, ms, s, m, h",
		"p99>":             "is no duration",
		"p99>0":            "is no duration",
		"p99>-5ms":         "is no duration",
		"p99>=>5ms":        "is no duration",
		"lost>1ms":         "k, M or G",
		"lost>-1":          "is no number",
		"lost>NaN":         "is no number",
		"lost>Inf":         "is no number",
		"lost>":            "is no number",
		"messages/s<1kB":   "is no number",
		"bytes/conn>200b":  "kB, MB, GB, KiB, MiB, GiB",
		"bytes/conn>20kiB": "number of bytes",
		"bytes/s<5s":       "number of bytes",
	} {
		if _, err := ParseThreshold(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func FuzzParseThreshold(f *testing.F) {
	for _, s := range []string{"p99.9>=20ms", "messages/s<1e6", "bytes/conn>4 KiB", "slip.max<1h"} {
		f.Add(s)
	}
	r := sample()
	f.Fuzz(func(t *testing.T, s string) {
		threshold, err := ParseThreshold(s)
		if err != nil {
			return
		}
		again, err := ParseThreshold(threshold.String())
		if err != nil || again.bound != threshold.bound || again.String() != threshold.String() {
			t.Fatalf("%q was read as %s, which is read as %s: %v", s, threshold, again, err)
		}
		threshold.Check(r)
	})
}
