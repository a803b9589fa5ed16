package contender

import (
	"context"
	"path/filepath"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// BeforeFrom builds wsloop of another revision, in a worktree that is removed again. A revision that is not there, or does
// not build, is an error: without it there is nothing to compare with.
func BeforeFrom(ctx context.Context, w Workshop, ref string) (s Server, err error) {
	commit, err := run(ctx, w.Root, "git", "rev-parse", "--verify", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return Server{}, err
	}
	tree := filepath.Join(w.Work, "worktree")
	if _, err := run(ctx, w.Root, "git", "worktree", "add", "--detach", tree, commit); err != nil {
		return Server{}, err
	}
	defer func() {
		// Not stopped by Ctrl-C: git would remember a worktree that is gone.
		_, failure := run(context.WithoutCancel(ctx), w.Root, "git", "worktree", "remove", "--force", tree)
		if err == nil {
			err = failure
		}
	}()
	program, err := w.Wsloop(ctx, tree, Before)
	if err != nil {
		return Server{}, err
	}
	s = wsloop(program, short(commit, false), nil)
	s.Name, s.Role, s.secure = Before, record.Before, w.secure()
	return s, nil
}
