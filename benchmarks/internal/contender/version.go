package contender

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"regexp"
	"runtime"
	"strings"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// shortCommit is how many digits of a commit name it.
const shortCommit = 10

// Commit is the revision of the checkout, and whether the checkout differs from it. Both are empty outside of git.
func (w Workshop) Commit(ctx context.Context) (commit string, modified bool) {
	commit, err := run(ctx, w.Root, "git", "rev-parse", "HEAD")
	if err != nil {
		return "", false
	}
	changes, err := run(ctx, w.Root, "git", "status", "--porcelain")
	return commit, err != nil || changes != ""
}

func short(commit string, modified bool) string {
	if commit == "" {
		commit = "of an unknown revision"
	}
	commit = commit[:min(len(commit), shortCommit)]
	if modified {
		commit += " with changes"
	}
	return commit
}

// moduleVersion finds a library in benchmarks/go.mod, and returns its short name and version.
func (w Workshop) moduleVersion(library string) (string, error) {
	b, err := os.ReadFile(w.benchmarks("go.mod"))
	if err != nil {
		return "", err
	}
	found := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(library) + ` (v\S+)`).FindSubmatch(b)
	if found == nil {
		return "", fmt.Errorf("contender: benchmarks/go.mod does not require %s", library)
	}
	return shortName(library) + " " + string(found[1]), nil
}

// shortName is what people call a module: its last element, or the owner's name with it where that says too little.
func shortName(library string) string {
	library = strings.TrimSuffix(library, "/v2")
	owner, name := path.Base(path.Dir(library)), path.Base(library)
	if name == "websocket" || name == "ws" {
		return owner + "/" + name
	}
	return name
}

// packageVersion finds a package in benchmarks/node/package.json, and returns its name and version.
func (w Workshop) packageVersion(name string) (string, error) {
	b, err := os.ReadFile(w.benchmarks("node", "package.json"))
	if err != nil {
		return "", err
	}
	var about struct{ Dependencies map[string]string }
	if err := json.Unmarshal(b, &about); err != nil {
		return "", fmt.Errorf("contender: package.json: %w", err)
	}
	version, found := about.Dependencies[name]
	if !found {
		return "", fmt.Errorf("contender: package.json does not ask for %s", name)
	}
	return name + " " + version, nil
}

// Libraries tells of the Go libraries of which parts are measured without a server, and of what these are compared with.
func Libraries(ctx context.Context, w Workshop) map[string]record.Server {
	all := map[string]record.Server{"memmove": {Role: record.Limit, Version: runtime.Version()}}
	for _, k := range kinds {
		switch k.role {
		case record.GoRival:
			version, _ := w.moduleVersion(k.library) // one that is not known stays empty
			all[k.name] = record.Server{Role: k.role, Version: version}
		case record.Ours:
			commit, modified := w.Commit(ctx)
			all[k.name] = record.Server{Role: k.role, Version: "wsloop " + short(commit, modified)}
		}
	}
	return all
}
