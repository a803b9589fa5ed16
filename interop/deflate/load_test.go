package deflate

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// loader is the wsloop command, built once.
type loader struct {
	once sync.Once
	path string
	err  error
}

var command loader

// build builds it into a directory that outlives the test that asks first.
func (l *loader) build(dir string) (string, error) {
	l.once.Do(func() {
		l.path = filepath.Join(dir, "wsloop")
		build := exec.Command("go", "build", "-C", "../..", "-o", l.path, "./cmd/wsloop")
		if out, err := build.CombinedOutput(); err != nil {
			l.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	return l.path, l.err
}

// load has wsloop load -deflate load the peer's server with its first options. Every message has to come back.
func (b *bench) load(r *role) {
	b.Run("load", func(t *testing.T) {
		host, stop, err := b.peer.listen(t.Context(), r.settings()[0])
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		path, err := command.build(b.shared)
		if err != nil {
			t.Fatal(err)
		}
		p := startTap(t, host)
		run := exec.CommandContext(t.Context(), path, "load", "-deflate", "-text", "-quiet", "-c", "4", "-size", "600",
			"-warmup", "100ms", "-duration", "400ms", "-json", "-", p.url())
		out, err := run.Output()
		if err != nil {
			t.Fatalf("wsloop load: %v", err)
		}
		var report struct {
			Connect  struct{ Opened, Lost uint64 }
			Messages struct{ Sent, Received uint64 }
			Errors   map[string]uint64
		}
		if err := json.Unmarshal(out, &report); err != nil {
			t.Fatal(err)
		}
		m := report.Messages
		if report.Connect.Opened != 4 || report.Connect.Lost != 0 || len(report.Errors) > 0 || m.Received == 0 || m.Sent != m.Received {
			t.Errorf("%s: %+v", b.name, report)
		}
		seen, err := p.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n, smaller := seen.client.compressed(); n == 0 || !smaller || seen.client.err != nil {
			t.Errorf("%s: %d compressed messages, smaller: %v, %v", b.name, n, smaller, seen.client.err)
		}
		b.saw["load"] = true
	})
}
