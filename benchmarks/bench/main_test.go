package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// samples are a run with two servers in one cell.
const samples = `{"kind":"run","schema":1,"id":"r","began":"2026-01-02T03:04:05Z","suite":"short","rounds":1,"seconds":1,` +
	`"servers":{"c":{"role":"limit","version":"C"},"wsloop":{"role":"ours","version":"1"},"before":{"role":"before","version":"0"}}}
{"kind":"sample","run":"r","cell":{"scenario":"echo","connections":1,"outstanding":1,"bytes":125,"cores":1},"server":"c","round":1,"attempt":1,"kept":true,"values":{"cpu_ns":1000,"per_s":100}}
{"kind":"sample","run":"r","cell":{"scenario":"echo","connections":1,"outstanding":1,"bytes":125,"cores":1},"server":"wsloop","round":1,"attempt":1,"kept":true,"values":{"cpu_ns":1250,"per_s":80}}
{"kind":"sample","run":"r","cell":{"scenario":"echo","connections":1,"outstanding":1,"bytes":125,"cores":1},"server":"before","round":1,"attempt":1,"kept":true,"values":{"cpu_ns":2500,"per_s":70}}
`

// try runs a command line, and returns its status and what it wrote.
func try(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = execute(t.Context(), args, &out, &err)
	return status, out.String(), err.String()
}

// file writes a file of the test.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUsage(t *testing.T) {
	for _, line := range []string{"", "nonsense", "report", "report -nonsense", "report a b"} {
		if status, stdout, stderr := try(t, strings.Fields(line)...); status != 2 || stdout != "" || stderr == "" {
			t.Errorf("%q: %d, %q, %q", line, status, stdout, stderr)
		}
	}
	if status, _, stderr := try(t, "report", "-h"); status != 0 || !strings.Contains(stderr, "-html") {
		t.Errorf("%d, %q", status, stderr)
	}
}

func TestReport(t *testing.T) {
	path := file(t, "samples.jsonl", samples)
	page := filepath.Join(t.TempDir(), "report.html")
	status, stdout, stderr := try(t, "report", "-html", page, path)
	if status != 0 || !strings.Contains(stdout, "1.25") {
		t.Errorf("%d, %q, %q", status, stdout, stderr)
	}
	if b, err := os.ReadFile(page); err != nil || !strings.Contains(string(b), "</html>") {
		t.Errorf("%v: %.100s", err, b)
	}
	if status, stdout, _ := try(t, "report", "-quiet", path); status != 0 || stdout != "" {
		t.Errorf("%d, %q", status, stdout)
	}
	if status, stdout, _ := try(t, "report", "-markdown", path); status != 0 || !strings.Contains(stdout, "|") {
		t.Errorf("%d, %q", status, stdout)
	}
	if status, stdout, _ := try(t, "report", "-compare", path); status != 0 || !strings.Contains(stdout, "0.50") {
		t.Errorf("%d, %q", status, stdout)
	}
}

// A run that was killed while it wrote can be read, and it is said that something is missing.
func TestReportOfKilledRun(t *testing.T) {
	path := file(t, "samples.jsonl", samples+samples[:20])
	if status, stdout, stderr := try(t, "report", path); status != 0 || !strings.Contains(stdout, "not whole") || !strings.Contains(stderr, path+": the last line is not whole") {
		t.Errorf("%d, %q, %q", status, stdout, stderr)
	}
}

// Tables are put into a document once; a second time changes nothing.
func TestInto(t *testing.T) {
	path := file(t, "samples.jsonl", samples)
	document := file(t, "README.md", "before\n\n<!-- bench:begin cpu -->\n<!-- bench:end -->\n\nafter\n")
	var last []byte
	for range 2 {
		if status, stdout, stderr := try(t, "report", "-quiet", "-into", document, path); status != 0 {
			t.Fatal(stdout, stderr)
		}
		now, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(now), "1.25") || last != nil && !bytes.Equal(last, now) {
			t.Errorf("%s", now)
		}
		last = now
	}
}

func TestReportFails(t *testing.T) {
	good, empty := file(t, "samples.jsonl", samples), file(t, "empty.jsonl", "")
	unmarked := file(t, "README.md", "nothing here\n")
	for _, args := range [][]string{
		{"report", "/does/not/exist"},
		{"report", empty},
		{"report", "-html", "/does/not/exist/page.html", good},
		{"report", "-into", unmarked, good},
		{"report", "-into", "/does/not/exist", good},
	} {
		if status, stdout, stderr := try(t, args...); status != 1 || !strings.HasPrefix(stderr, "bench: ") {
			t.Errorf("%q: %d, %q, %q", args, status, stdout, stderr)
		}
	}
}
