package micro

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// An exposure is a function more in a package of a module: the package's own masking under a name that a program can
// call. The code behind it is the module's, compiled as always; it is added to a copy that lives while it is measured.
type exposure struct {
	module, dir string // dir within the module
	source      string
}

// exposedFile is what the function is added in.
const exposedFile = "exposed_for_benchmarks.go"

var exposures = []exposure{
	{"github.com/coder/websocket", ".", `package websocket

import "encoding/binary"

func ExposedMask(b []byte, key [4]byte) { mask(b, binary.LittleEndian.Uint32(key[:])) }
`},
	{"github.com/fasthttp/websocket", ".", `package websocket

func ExposedMask(b []byte, key [4]byte) { maskBytes(key, 0, b) }
`},
	{"github.com/gorilla/websocket", ".", `package websocket

func ExposedMask(b []byte, key [4]byte) { maskBytes(key, 0, b) }
`},
	{"github.com/lesismal/nbio", "nbhttp/websocket", `package websocket

func ExposedMask(b []byte, key [4]byte) { maskXOR(b, key[:]) }
`},
	{"github.com/lxzan/gws", ".", `package gws

import "github.com/lxzan/gws/internal"

func ExposedMask(b []byte, key [4]byte) { internal.MaskXOR(b, key[:]) }
`},
}

// expose writes into work a go.mod, and its go.sum, in which the modules are replaced by copies with the functions. It returns
// the path of the go.mod, for the flag -modfile.
func expose(ctx context.Context, dir, work string) (modfile string, err error) {
	modfile = filepath.Join(work, "go.mod")
	if err := errors.Join(copyFile(modfile, filepath.Join(dir, "go.mod")),
		copyFile(filepath.Join(work, "go.sum"), filepath.Join(dir, "go.sum"))); err != nil {
		return "", err
	}
	for _, e := range exposures {
		if err := e.add(ctx, dir, work, modfile); err != nil {
			return "", err
		}
	}
	return modfile, nil
}

// add copies the module and adds the function.
func (e *exposure) add(ctx context.Context, dir, work, modfile string) error {
	// The module may not have been needed before.
	if _, err := command(ctx, dir, "go", "mod", "download", e.module); err != nil {
		return err
	}
	out, err := command(ctx, dir, "go", "list", "-m", "-f", "{{.Dir}}", e.module)
	if err != nil {
		return err
	}
	cached := strings.TrimSpace(string(out))
	copied := filepath.Join(work, strings.ReplaceAll(e.module, "/", "_"))
	if err := os.CopyFS(copied, os.DirFS(cached)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(copied, e.dir, exposedFile), []byte(e.source), 0o600); err != nil {
		return err
	}
	_, err = command(ctx, dir, "go", "mod", "edit", "-replace", e.module+"="+copied, modfile)
	return err
}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}
