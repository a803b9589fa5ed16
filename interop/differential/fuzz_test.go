package differential

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec/codectest"
)

var rivals = map[string]func(in []byte) verdict{"gorilla": gorilla, "gobwas": gobwas}

// FuzzServers: the same bytes are accepted or refused, and mean the same messages, but for what disagreements lists.
func FuzzServers(f *testing.F) {
	for _, c := range codectest.Load(f, "../../codec/testdata") {
		if c.Options["role"] != "client" && len(c.In) <= 1000 {
			f.Add(c.In)
		}
	}
	for _, d := range disagreements {
		f.Add([]byte(d.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		ours := wsloop(in)
		for name, rival := range rivals {
			if problem := compare(name, ours, rival(in)); problem != "" {
				t.Errorf("% x: %s", in, problem)
			}
		}
	})
}

// TestDisagreements shows that each is there, and documented.
func TestDisagreements(t *testing.T) {
	page, err := os.ReadFile("../../docs/fuzzing.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range disagreements {
		ours, theirs := wsloop([]byte(d.in)), rivals[d.rival]([]byte(d.in))
		if agree(ours, theirs) || !d.explains(d.rival, ours, theirs) {
			t.Errorf("%s: ours %+v, theirs %+v", d.name, ours, theirs)
		}
		if row := fmt.Sprintf("| `%s` | %s |", d.name, d.section); !strings.Contains(string(page), row) {
			t.Errorf("docs/fuzzing.md lacks the row %q", row)
		}
	}
}

func compare(rival string, ours, theirs verdict) (problem string) {
	if agree(ours, theirs) || slices.ContainsFunc(disagreements, func(d disagreement) bool { return d.explains(rival, ours, theirs) }) {
		return ""
	}
	return fmt.Sprintf("ours %+v, %s %+v", ours, rival, theirs)
}

// agree also holds where we refuse what the other side still waits for the end of: we refuse with the first byte that
// proves a violation, they when the header, the frame or the message is complete.
func agree(ours, theirs verdict) bool {
	return slices.Equal(ours.events, theirs.events) && (ours.refused != "" || theirs.refused == "")
}

// explains says whether the stricter side stopped for the reason named, and until there saw what the other saw.
func (d disagreement) explains(rival string, ours, theirs verdict) bool {
	strict, other, why := ours, theirs, d.ours
	if d.theirs != "" {
		strict, other, why = theirs, ours, d.theirs
	}
	n := len(strict.events)
	return rival == d.rival && strict.refused == why && n <= len(other.events) && slices.Equal(strict.events, other.events[:n])
}
