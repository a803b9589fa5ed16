package contender

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// checkout is that of this test.
const checkout = "../../.."

// say is for tests that do not look at what is said.
func say(string, ...any) {}

// put writes files below a new directory.
func put(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// Every server of the directory is measured, but that of package micro, and every one has a version.
func TestKinds(t *testing.T) {
	dirs, err := os.ReadDir(checkout + "/benchmarks/servers")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if dir.Name() != Ours && !slices.Contains(Names(), dir.Name()) {
			t.Errorf("servers/%s is not measured", dir.Name())
		}
	}
	w := Workshop{Root: checkout}
	for _, k := range kinds {
		var version string
		var err error
		switch {
		case strings.Contains(k.library, "/"):
			version, err = w.moduleVersion(k.library)
		case k.library != "":
			version, err = w.packageVersion(k.library)
		default:
			continue
		}
		if err != nil || len(strings.Fields(version)) != 2 {
			t.Errorf("%s: %q, %v", k.name, version, err)
		}
	}
}

func TestShortName(t *testing.T) {
	for library, want := range map[string]string{
		"github.com/lxzan/gws":         "gws",
		"github.com/gobwas/ws":         "gobwas/ws",
		"github.com/gorilla/websocket": "gorilla/websocket",
		"github.com/panjf2000/gnet/v2": "gnet",
	} {
		if got := shortName(library); got != want {
			t.Errorf("%s: %s", library, got)
		}
	}
}

func TestShort(t *testing.T) {
	for _, c := range []struct {
		commit   string
		modified bool
		want     string
	}{
		{"0123456789abcdef", false, "0123456789"},
		{"0123456789abcdef", true, "0123456789 with changes"},
	} {
		if got := short(c.commit, c.modified); got != c.want {
			t.Errorf("%q", got)
		}
	}
}

// flags is the command of a server as one line.
func flags(s Server, c record.Cell) string { return strings.Join(s.Command(c), " ") }

func TestCommand(t *testing.T) {
	s := wsloop("/bin/wsloop", "1", nil)
	echo := flags(s, record.Cell{Scenario: record.Echo})
	if !strings.HasPrefix(echo, "/bin/wsloop serve -addr 127.0.0.1:0 ") {
		t.Error(echo)
	}
	for _, c := range []struct {
		cell record.Cell
		want string
	}{
		{record.Cell{Scenario: record.Idle}, ""},
		{record.Cell{Scenario: record.Broadcast}, " -mode broadcast"},
		{record.Cell{Scenario: record.Deflate}, " -deflate"},
		{record.Cell{Scenario: record.DeflateIdle, Takeover: true}, " -deflate -deflate-takeover -deflate-client-takeover"},
	} {
		if got := flags(s, c.cell); got != echo+c.want {
			t.Errorf("%v: %s", c.cell, got)
		}
	}
	if !s.Broadcasts() || (Server{}).Broadcasts() {
		t.Error("wrong about broadcasts")
	}
	if !s.Deflates(true) || !s.Deflates(false) || (Server{deflate: []string{"-z"}}).Deflates(true) || (Server{takeover: []string{"-z"}}).Deflates(false) {
		t.Error("wrong about compression")
	}
	if s.Secures() {
		t.Error("TLS without a certificate")
	}
	s.secure = Workshop{Work: "/built"}.secure()
	want := echo + " -tls-cert /built/certificate.pem -tls-key /built/key.pem"
	if got := flags(s, record.Cell{Scenario: record.TLS}); got != want || !s.Secures() {
		t.Error(got)
	}
	if got := s.Env(2); len(got) != 1 || got[0] != "GOMAXPROCS=2" {
		t.Error(got)
	}
	if got := (Server{}).Env(2); len(got) > 0 {
		t.Error(got)
	}
}

// What cannot be had is there all the same, and says why.
func TestMissing(t *testing.T) {
	t.Setenv("PATH", "")
	t.Setenv("CC", "")
	w := Workshop{Root: put(t, map[string]string{"scripts/bench/echo.c": ""}), Work: t.TempDir()}
	servers := Prepare(t.Context(), w, Names(), say)
	if len(servers) != len(Names()) {
		t.Fatalf("%d servers", len(servers))
	}
	for i, s := range servers {
		if s.Err == nil || s.Name != Names()[i] || s.Role == "" {
			t.Errorf("%+v", s)
		}
	}
	if _, err := BeforeFrom(t.Context(), w, "HEAD"); err == nil {
		t.Error("a revision without git")
	}
	if commit, modified := w.Commit(t.Context()); commit != "" || modified {
		t.Error(commit, modified)
	}
	if got := Libraries(t.Context(), w); got["memmove"].Role != record.Limit || got[Ours].Role != record.Ours || got["gws"].Role != record.GoRival {
		t.Error(got)
	}
}

// fake is a program that answers every question with its own name.
func fake(t *testing.T, name string) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho "+name+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestPrepare(t *testing.T) {
	for _, name := range []string{"cc", "go", "node", "git"} {
		fake(t, name)
	}
	t.Setenv("CC", "")
	w := Workshop{Work: t.TempDir(), Root: put(t, map[string]string{
		"scripts/bench/echo.c":                                   "",
		"benchmarks/go.mod":                                      "module m\n\nrequire (\n\tgithub.com/lxzan/gws v1.2.3\n)\n",
		"benchmarks/node/package.json":                           `{"dependencies":{"ws":"8.0.0","bun":"1.0.0"}}`,
		"benchmarks/node/node_modules/ws/index.js":               "",
		"benchmarks/node/node_modules/@oven/bun-linux-x/bin/bun": "",
	})}
	want := map[string]Server{
		Limit: {Version: "cc", command: []string{"echo"}},
		Ours:  {Version: "wsloop git with changes", command: []string{"wsloop"}},
		"gws": {Version: "gws v1.2.3", command: []string{"gws"}},
		"ws":  {Version: "ws 8.0.0, Node.js node", command: []string{"node"}},
		"bun": {Version: "bun 1.0.0", command: []string{"bun"}},
	}
	flags := map[string]string{Limit: "-b", Ours: "-mode broadcast"}
	servers := Prepare(t.Context(), w, []string{"bun", "ws", "gws", Ours, Limit}, say)
	if len(servers) != len(want) {
		t.Fatal(servers)
	}
	for _, s := range servers {
		wanted := want[s.Name]
		if s.Err != nil || s.Version != wanted.Version || filepath.Base(s.command[0]) != wanted.command[0] {
			t.Errorf("%+v", s)
		}
		all := strings.Join(s.Command(record.Cell{Scenario: record.Broadcast})[len(s.command):], " ")
		if s.Deflates(false) != (s.Name != Limit) || s.Deflates(true) != (s.Name != Limit) {
			t.Errorf("%s: %t, with takeover %t", s.Name, s.Deflates(false), s.Deflates(true))
		}
		if s.Secures() != (s.Name != Limit && s.Name != "ws") {
			t.Errorf("%s: TLS %t", s.Name, s.Secures())
		}
		if s.Raw != (s.Name == Limit) || all != cmp.Or(flags[s.Name], "-broadcast") {
			t.Errorf("%s: raw %t, broadcasts with %q", s.Name, s.Raw, all)
		}
	}
}

// A version that nobody can tell is an error: results without it are worth little.
func TestVersions(t *testing.T) {
	w := Workshop{Root: put(t, map[string]string{"benchmarks/go.mod": "module m\n", "benchmarks/node/package.json": "{}"})}
	if got, err := w.moduleVersion("github.com/lxzan/gws"); err == nil {
		t.Error(got)
	}
	if got, err := w.packageVersion("ws"); err == nil {
		t.Error(got)
	}
	w = Workshop{Root: put(t, map[string]string{"benchmarks/node/package.json": "no"})}
	if got, err := w.packageVersion("ws"); err == nil {
		t.Error(got)
	}
	if got, err := w.moduleVersion("x"); err == nil {
		t.Error(got)
	}
	if _, err := (Workshop{Root: t.TempDir()}).packageVersion("ws"); err == nil {
		t.Error("a version without a file")
	}
	if _, _, err := w.Compile(t.Context(), "x", "none/*.c"); err == nil {
		t.Error("a program without sources")
	}
}

// git runs it in dir, for a test of what is done with it.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	args = append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)
	out, err := run(t.Context(), dir, "git", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBeforeFrom(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	root := put(t, map[string]string{
		"go.mod":              "module m\n\ngo 1.26\n",
		"cmd/wsloop/main.go":  "package main\n\nfunc main() { println(1) }\n",
		"cmd/wsloop/other.go": "package main\n",
	})
	git(t, root, "init", "-q")
	git(t, root, "add", ".")
	git(t, root, "commit", "-q", "-m", "one")
	first := git(t, root, "rev-parse", "HEAD")
	w := Workshop{Root: root, Work: t.TempDir()}
	if commit, modified := w.Commit(t.Context()); commit != first || modified {
		t.Error(commit, modified)
	}
	if err := os.WriteFile(filepath.Join(root, "cmd/wsloop/main.go"), []byte("broken"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, modified := w.Commit(t.Context()); !modified {
		t.Error("a change was not seen")
	}
	git(t, root, "commit", "-q", "-a", "-m", "two")

	s, err := BeforeFrom(t.Context(), w, "HEAD~1")
	if err != nil || s.Name != Before || s.Role != record.Before || s.Version != "wsloop "+first[:shortCommit] {
		t.Errorf("%+v, %v", s, err)
	}
	if out, err := exec.Command(s.command[0]).CombinedOutput(); string(out) != "1\n" {
		t.Errorf("it is not that revision's program: %q, %v", out, err)
	}
	if _, err := BeforeFrom(t.Context(), w, "HEAD"); err == nil {
		t.Error("a revision that does not build")
	}
	if _, err := BeforeFrom(t.Context(), w, "nonsense"); err == nil {
		t.Error("a revision that is not there")
	}
	if trees := strings.Split(git(t, root, "worktree", "list"), "\n"); len(trees) != 1 {
		t.Errorf("worktrees were left: %q", trees)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := BeforeFrom(ctx, w, "HEAD~1"); err == nil {
		t.Error("it goes on after the end")
	}
}
