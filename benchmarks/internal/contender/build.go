package contender

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// anyPort is where a server listens; it tells the port.
const anyPort = "127.0.0.1:0"

// run runs a program to its end and returns what it printed, without the last newline.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var failure strings.Builder
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("contender: %s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, strings.TrimSpace(failure.String()))
	}
	return strings.TrimRight(string(out), "\n"), nil
}

// Compile builds C sources to a program of the workshop, and returns its path and which compiler it was.
func (w Workshop) Compile(ctx context.Context, name, pattern string) (program, compiler string, err error) {
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	sources, err := filepath.Glob(filepath.Join(w.Root, pattern))
	if err != nil || len(sources) == 0 {
		return "", "", fmt.Errorf("contender: no sources: %s", pattern)
	}
	program = filepath.Join(w.Work, name)
	if _, err := run(ctx, w.Root, cc, append([]string{"-O2", "-o", program}, sources...)...); err != nil {
		return "", "", err
	}
	version, err := run(ctx, w.Root, cc, "--version")
	compiler, _, _ = strings.Cut(version, "\n")
	return program, compiler, err
}

func inC(ctx context.Context, w Workshop, _ kind) Server {
	program, compiler, err := w.Compile(ctx, "echo", "scripts/bench/echo.c")
	return Server{command: []string{program}, broadcast: []string{"-b"}, Version: compiler, Err: err}
}

// Wsloop builds the command of a checkout to a program of the workshop.
func (w Workshop) Wsloop(ctx context.Context, checkout, name string) (program string, err error) {
	program = filepath.Join(w.Work, name)
	_, err = run(ctx, checkout, "go", "build", "-o", program, "./cmd/wsloop")
	return program, err
}

// SecureLoad builds the load generator that speaks TLS.
func (w Workshop) SecureLoad(ctx context.Context) (program string, err error) {
	program = filepath.Join(w.Work, "wssload")
	_, err = run(ctx, w.benchmarks(), "go", "build", "-o", program, "./wssload")
	return program, err
}

func ours(ctx context.Context, w Workshop, _ kind) Server {
	program, err := w.Wsloop(ctx, w.Root, Ours)
	commit, modified := w.Commit(ctx)
	return wsloop(program, short(commit, modified), err)
}

// wsloop is a server with every deadline on. The load generator answers no pings, so they are long.
func wsloop(program, version string, err error) Server {
	return Server{
		Version: "wsloop " + version, Err: err,
		command: []string{
			program, "serve", "-addr", anyPort,
			"-ping-interval", "1h", "-idle-timeout", "2h", "-max-lifetime", "3h",
		},
		broadcast: []string{"-mode", "broadcast"}, inGo: true,
		deflate:  []string{"-deflate"},
		takeover: []string{"-deflate", "-deflate-takeover", "-deflate-client-takeover"},
	}
}

func inGo(ctx context.Context, w Workshop, k kind) Server {
	program := filepath.Join(w.Work, k.name)
	_, err := run(ctx, w.benchmarks(), "go", "build", "-o", program, "./servers/"+k.name)
	if err != nil {
		return Server{Err: err}
	}
	version, err := w.moduleVersion(k.library)
	return Server{command: []string{program, "-addr", anyPort}, Version: version, Err: err, inGo: true}
}

func node(ctx context.Context, w Workshop, k kind) Server {
	path, err := exec.LookPath("node")
	if err != nil {
		return Server{Err: fmt.Errorf("contender: Node.js is not installed: %w", err)}
	}
	if _, err := os.Stat(w.benchmarks("node", "node_modules", "ws")); err != nil {
		return Server{Err: notInstalled(err)}
	}
	runtime, err := run(ctx, w.Root, path, "--version")
	if err != nil {
		return Server{Err: err}
	}
	version, err := w.packageVersion(k.library)
	return Server{
		command: []string{path, w.benchmarks("node", "ws.mjs"), "-addr", anyPort},
		Version: version + ", Node.js " + runtime, Err: err,
	}
}

func bun(_ context.Context, w Workshop, k kind) Server {
	// The package bun holds no program before its install script has run; that of the platform does.
	const programs = "bun-linux-*/bin/bun"
	paths, _ := filepath.Glob(w.benchmarks("node", "node_modules", "@oven", programs)) // the pattern is good
	if len(paths) == 0 {
		return Server{Err: notInstalled(os.ErrNotExist)}
	}
	version, err := w.packageVersion(k.library)
	return Server{command: []string{paths[0], w.benchmarks("bun", "echo.ts"), "-addr", anyPort}, Version: version, Err: err}
}

func notInstalled(err error) error {
	return fmt.Errorf("contender: not installed: run npm ci --ignore-scripts in benchmarks/node: %w", err)
}
