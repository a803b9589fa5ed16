package redis

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// wants says whether a pattern matches a name, by the definition in docs/topics.md.
func wants(pattern, name string) bool {
	p, n := strings.Split(pattern, "."), strings.Split(name, ".")
	for i, token := range p {
		switch {
		case token == ">":
			return strings.Join(n[min(i, len(n)):], ".") != ""
		case i >= len(n), token == "*" && n[i] == "", token != "*" && token != n[i]:
			return false
		}
	}
	return len(p) == len(n)
}

// globMatches is what Redis makes of a glob without classes, by its documentation.
func globMatches(glob, s string) bool {
	switch {
	case glob == "":
		return s == ""
	case glob[0] == '*':
		return globMatches(glob[1:], s) || s != "" && globMatches(glob, s[1:])
	case s == "":
		return false
	case glob[0] == '?':
		return globMatches(glob[1:], s[1:])
	case glob[0] == '\\':
		glob = glob[1:]
	}
	return glob[0] == s[0] && globMatches(glob[1:], s[1:])
}

func TestSubscription(t *testing.T) {
	for pattern, want := range map[string]string{
		"rooms.5":    "wsloop.rooms.5",
		"a[b]?\\c":   "wsloop.a[b]?\\c",
		"*":          "wsloop.*",
		">":          "wsloop.?*",
		"rooms.*":    "wsloop.rooms.*",
		"rooms.>":    "wsloop.rooms.?*",
		"*.[a]?\\.>": `wsloop.*.\[a\]\?\\.?*`,
	} {
		got, glob := subscription("wsloop.", pattern)
		if got != want || glob != strings.ContainsAny(pattern, "*>") {
			t.Errorf("%q became %q, %v", pattern, got, glob)
		}
	}
}

// TestMatches compares patterns with names at random: the glob takes in all that a pattern matches, and what arrives is told apart exactly.
func TestMatches(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	letters := []string{"a", "b", "?", "[", "]", "\\", "é"}
	text := func(wild bool) string {
		tokens := make([]string, 1+random.IntN(4))
		for i := range tokens {
			switch n := random.IntN(8); {
			case wild && n < 3:
				tokens[i] = "*"
			case wild && n < 4 && i == len(tokens)-1:
				tokens[i] = ">"
			case !wild && n == 0: // no topic, but somebody may publish it
			default:
				for range 1 + random.IntN(2) {
					tokens[i] += letters[random.IntN(len(letters))]
				}
			}
		}
		return strings.Join(tokens, ".")
	}
	seen := make(map[string]string)
	for range 300000 {
		pattern, name := text(true), text(false)
		if random.IntN(2) == 0 { // one that is near
			name = strings.NewReplacer("*", text(false), ">", text(false)).Replace(pattern)
		}
		channel, glob := subscription("w.", pattern)
		if other, ok := seen[channel]; ok && other != pattern && glob {
			t.Fatalf("%q and %q are both %q", pattern, other, channel)
		}
		seen[channel] = pattern
		if !glob {
			continue
		}
		want := wants(pattern, name)
		if want && !globMatches(channel, "w."+name) {
			t.Fatalf("%q for %q does not take in %q", channel, pattern, name)
		}
		if got := matches(channel, "w."+name); got != want {
			t.Fatalf("%q and %q: %v", pattern, name, got)
		}
	}
}
