// Package scripts holds the project's scripts, and the tests of its shape.
package scripts

import (
	"errors"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/wsloop/wsloop"

type rule struct {
	pkg     string
	imports []string
	why     string
}

// allowed says what each package may import besides the standard library, and why no more.
var allowed = []rule{
	{"mask", []string{"golang.org/x/sys/cpu"}, "a leaf: bytes and a key; ADR 1 for cpu"},
	{"codec/utf8", []string{"golang.org/x/sys/cpu"}, "a leaf: bytes and a state; ADR 1"},
	{"codec", []string{module + "/mask", module + "/codec/utf8"}, "frames know nothing of sockets or HTTP"},
	{"codec/deflate", []string{
		module + "/codec", module + "/codec/utf8", "github.com/klauspost/compress/flate",
	}, "messages in, messages out: it knows nothing of frames, and nobody pays for the library who does not import it"},
	{"codec/codectest", nil, "reads text; the codec's own tests use it"},
	{"handshake", nil, "usable without the engine, and light: no net/http"},
	{"poller", []string{"golang.org/x/sys/unix", module + "/poller/internal/system"}, "sockets know nothing of WebSocket"},
	{"poller/internal/system", nil, "interfaces only"},
	{"poller/sim", []string{module + "/poller", module + "/poller/internal/system"}, "a driver like any other: it knows nothing of what it carries"},
	{"poller/tlsdriver", []string{module + "/poller"}, "a driver over any driver: it knows nothing of what it carries, and TLS is the standard library's"},
	{"poller/proxydriver", []string{module + "/handshake", module + "/poller"}, "a driver over any driver: it reads the header that package handshake knows, and nothing of what follows"},
	{"poller/pollertest", []string{module + "/poller"}, "runs over every driver, so it imports none"},
	{"poller/gnetdriver", []string{
		"github.com/panjf2000/gnet/v2", "golang.org/x/sys/unix", module + "/poller",
	}, "a driver like any other, and the only package that knows gnet"},
	{"engine", []string{module + "/codec", module + "/codec/deflate", module + "/engine/internal/route", module + "/engine/internal/topic", module + "/handshake", module + "/poller", module + "/poller/gnetdriver", module + "/poller/proxydriver", module + "/poller/tlsdriver"}, "joins the parts; what users import stays small, and has gnet on Windows only"},
	{"engine/internal/route", nil, "a leaf: patterns and paths; no net/http"},
	{"engine/internal/topic", nil, "a leaf: names, and who wants them; it knows nothing of connections"},
	{"internal/page", []string{module + "/engine", module + "/handshake"}, "a user of the public API like any other"},
	{"internal/topics", []string{module + "/codec", module + "/engine", module + "/internal/page"}, "a user of the public API like any other, that more than one command serves"},
	{"contrib/internal/bridge", []string{module + "/codec", module + "/engine"}, "what bridges share: it knows no broker, so that each stays in a module of its own"},
	{"contrib/internal/bridgetest", []string{module + "/codec", module + "/engine"}, "for the tests of bridges: it knows none"},
	{"contrib/internal/bridgetest/suite", []string{
		module + "/codec", module + "/contrib/internal/bridge", module + "/contrib/internal/bridgetest", module + "/engine",
	}, "runs over every broker, so it knows none"},
	{"wstest", []string{module + "/codec", module + "/engine", module + "/poller/sim"}, "a user of the public API like any other"},
	{"cmd/wsloop", []string{
		module + "/codec", module + "/handshake", module + "/engine", module + "/poller/gnetdriver", module + "/poller/tlsdriver",
		module + "/internal/page", module + "/internal/topics",
		module + "/cmd/wsloop/internal/load", module + "/cmd/wsloop/internal/report", module + "/cmd/wsloop/internal/systemd",
	}, "a user of the public API like any other"},
	{"cmd/wsloop/internal/load", []string{
		module + "/cmd/wsloop/internal/hdr", module + "/cmd/wsloop/internal/report",
		module + "/codec", module + "/engine", module + "/handshake",
	}, "a user of the public API like any other"},
	{"cmd/wsloop/internal/systemd", []string{"golang.org/x/sys/unix"}, "a leaf: the environment and sockets"},
	{"cmd/wsloop/internal/hdr", nil, "a leaf: durations and counters"},
	{"cmd/wsloop/internal/report", []string{module + "/cmd/wsloop/internal/hdr"}, "reads and writes figures; knows nothing of connections"},
	{"examples/adopt", []string{module + "/codec", module + "/engine"}, "what a stranger reads first: the public API alone"},
	{"examples/chat", []string{module + "/codec", module + "/engine", module + "/handshake"}, "what a stranger reads first: the public API alone"},
	{"examples/secure", []string{module + "/codec", module + "/engine", module + "/handshake", module + "/poller/tlsdriver"}, "what a stranger reads first: the public API alone"},
	{"examples/ticker", []string{module + "/codec", module + "/engine"}, "what a stranger reads first: the public API alone"},
	{"scripts", nil, "tests only"},
	{"scripts/bench/slow", []string{module + "/codec", module + "/engine"}, "a user of the public API like any other"},
}

// TestImports holds the direction of the imports, here and on Windows. Every package has to be in the table.
func TestImports(t *testing.T) {
	seen := make(map[string]bool)
	for _, dir := range packageDirs(t) {
		seen[dir] = true
		i := slices.IndexFunc(allowed, func(r rule) bool { return r.pkg == dir })
		if i < 0 {
			t.Errorf("package %s is not in the table: say what it may import, and why", dir)
			continue
		}
		for _, path := range importsOf(t, dir) {
			first, _, _ := strings.Cut(path, "/")
			if strings.Contains(first, ".") && !slices.Contains(allowed[i].imports, path) {
				t.Errorf("%s imports %s, which is not allowed: %s", dir, path, allowed[i].why)
			}
		}
	}
	for _, a := range allowed {
		if !seen[a.pkg] {
			t.Errorf("the table names %s, which does not exist", a.pkg)
		}
	}
}

// importsOf is what a package imports on this system, and what on Windows.
func importsOf(t *testing.T, dir string) []string {
	return append(importsOn(t, dir, runtime.GOOS), importsOn(t, dir, "windows")...)
}

func importsOn(t *testing.T, dir, system string) []string {
	context := build.Default
	context.GOOS = system
	pkg, err := context.ImportDir(filepath.Join("..", dir), 0)
	if _, empty := errors.AsType[*build.NoGoError](err); err != nil && !(empty && system != runtime.GOOS) {
		t.Fatalf("%s: %v", dir, err)
	}
	return pkg.Imports
}

// TestNativeWithoutGnet holds gnet out of the programs of those who have a native driver.
func TestNativeWithoutGnet(t *testing.T) {
	for _, system := range []string{"linux", "darwin", "freebsd"} {
		if slices.Contains(importsOn(t, "engine", system), module+"/poller/gnetdriver") {
			t.Errorf("on %s, engine imports gnetdriver", system)
		}
	}
}

// TestUnsafeAndAssembly holds unsafe to mask and the system call files, and assembly to
// mask and codec/utf8 (ADR 1).
func TestUnsafeAndAssembly(t *testing.T) {
	for _, dir := range packageDirs(t) {
		files, err := filepath.Glob(filepath.Join("..", dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name := filepath.Base(file)
			if strings.HasSuffix(name, ".s") && dir != "mask" && dir != "codec/utf8" {
				t.Errorf("%s: assembly is for mask and codec/utf8", file)
			}
			if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				continue
			}
			if importsUnsafe(t, file) && dir != "mask" && !(dir == "poller" && strings.HasPrefix(name, "sys_")) {
				t.Errorf("%s imports unsafe", file)
			}
		}
	}
}

// packageDirs lists the directories of the module that hold Go files, nested modules left out.
func packageDirs(t *testing.T) []string {
	var dirs []string
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != ".." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return filepath.SkipDir
		}
		if nested, _ := filepath.Glob(filepath.Join(path, "go.mod")); len(nested) > 0 && path != ".." {
			return filepath.SkipDir
		}
		if files, _ := filepath.Glob(filepath.Join(path, "*.go")); len(files) > 0 {
			dirs = append(dirs, strings.TrimPrefix(filepath.ToSlash(path), "../"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) < 8 {
		t.Fatalf("only %d packages found: %v", len(dirs), dirs)
	}
	return dirs
}

func importsUnsafe(t *testing.T, file string) bool {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"unsafe"` })
}
