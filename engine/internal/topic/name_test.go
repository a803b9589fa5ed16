package topic

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	longName   = strings.Repeat("a", MaxName)
	manyTokens = strings.Repeat("a.", MaxTokens-1) + "a"
)

// Of each text, why it is refused as a name and as a pattern.
func TestSyntax(t *testing.T) {
	for _, c := range []struct {
		text          string
		name, pattern Reason
	}{
		{"a", 0, 0},
		{"orders.eu.new", 0, 0},
		{"ünï.日本.\u00a0", 0, 0},
		{"a-b/c:d$e\\f\"g", 0, 0},
		{"~!", 0, 0},
		{longName, 0, 0},
		{manyTokens, 0, 0},

		{"*", WildcardInName, 0},
		{">", WildcardInName, 0},
		{"*.*", WildcardInName, 0},
		{"*.>", WildcardInName, 0},
		{"a.*.c", WildcardInName, 0},
		{"a.>", WildcardInName, 0},
		{manyTokens[2:] + ".>", WildcardInName, 0},

		{"", EmptyToken, EmptyToken},
		{".", EmptyToken, EmptyToken},
		{".a", EmptyToken, EmptyToken},
		{"a.", EmptyToken, EmptyToken},
		{"a..b", EmptyToken, EmptyToken},
		{"*.", WildcardInName, EmptyToken},

		{longName + "a", TooLong, TooLong},
		{longName[1:] + "ü", TooLong, TooLong},
		{manyTokens + ".a", TooManyTokens, TooManyTokens},
		{manyTokens + ".", TooManyTokens, TooManyTokens},
		{manyTokens + ".>", TooManyTokens, TooManyTokens},

		{"a\xff", NotUTF8, NotUTF8},
		{"a.\xc3", NotUTF8, NotUTF8},
		{"\xed\xa0\x80", NotUTF8, NotUTF8},

		{" ", BlankOrControl, BlankOrControl},
		{"a b", BlankOrControl, BlankOrControl},
		{"a.b\n", BlankOrControl, BlankOrControl},
		{"\x00", BlankOrControl, BlankOrControl},
		{"a\x1f", BlankOrControl, BlankOrControl},
		{"a\x7f", BlankOrControl, BlankOrControl},

		{"a*", WildcardInToken, WildcardInToken},
		{"*a", WildcardInToken, WildcardInToken},
		{"**", WildcardInToken, WildcardInToken},
		{"x.a>b.y", WildcardInToken, WildcardInToken},
		{">>", WildcardInToken, WildcardInToken},
		{"*>", WildcardInToken, WildcardInToken},

		{">.a", WildcardInName, TailNotLast},
		{"a.>.>", WildcardInName, TailNotLast},
		{">.", WildcardInName, TailNotLast},
	} {
		expect(t, c.text, CheckName(c.text), c.name)
		expect(t, c.text, CheckPattern(c.text), c.pattern)
		if c.pattern == 0 && IsPattern(c.text) != (c.name != 0) {
			t.Errorf("%q: IsPattern is %v", c.text, IsPattern(c.text))
		}
	}
}

func expect(t *testing.T, text string, err error, want Reason) {
	t.Helper()
	if want == 0 {
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		return
	}
	var fault *Error
	if !errors.As(err, &fault) || fault.Reason != want || fault.Text != text[:min(len(text), MaxName)] {
		t.Errorf("%q: %v, want %v", text, err, want)
	}
}

func TestErrorsSayWhy(t *testing.T) {
	for text, want := range map[string]string{
		"a..b":           `topic: "a..b": a token is empty`,
		"a\n":            `topic: "a\n": blanks and control characters are not allowed`,
		"\xff":           `topic: "\xff": not UTF-8`,
		"a*":             `topic: "a*": a wildcard is a whole token`,
		">.a":            `topic: ">.a": > stands at the end only`,
		longName + "b":   `topic: "` + longName + `": more than 256 bytes`,
		manyTokens + ".": `topic: "` + manyTokens + `.": more than 32 tokens`,
	} {
		if err := CheckPattern(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if err := CheckName("a.>"); err == nil || err.Error() != `topic: "a.>": a name has no wildcards` {
		t.Error(err)
	}
	if got := Reason(0).String(); got != "unknown" {
		t.Error(got)
	}
}

// Only patterns with wildcards have to be short.
func TestCheckDepth(t *testing.T) {
	for pattern, refused := range map[string]bool{
		"a.b.c.d": false, "a.*.c": false, "a.b.>": false, "*": false, "a.b.*.d": true, "a.b.c.>": true, "*.*.*.*": true,
	} {
		err := CheckDepth(pattern, 3)
		if refused {
			expect(t, pattern, err, TooDeep)
		} else if err != nil {
			t.Error(err)
		}
		if err := CheckDepth(pattern, 4); err != nil {
			t.Error(err)
		}
	}
	if got, want := TooDeep.String(), "more tokens than a pattern with wildcards may have"; got != want {
		t.Error(got)
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no string // names
	}{
		{"a", "a", "b aa a.a A"},
		{"a.b", "a.b", "a a.b.c a.bb b.a"},
		{"*", "a * >", "a.a"},
		{"a.*", "a.b a.a", "a b.a a.b.c"},
		{"*.b", "a.b b.b", "b a.b.c a.c"},
		{"a.*.c", "a.b.c a.c.c", "a.c a.b.b.c a.b.d"},
		{">", "a a.b a.b.c", ""},
		{"a.>", "a.b a.b.c", "a b b.a aa.b"},
		{"*.>", "a.b a.b.c", "a"},
		{"a.*.>", "a.b.c a.b.c.d", "a a.b b.b.c"},
	} {
		for _, name := range strings.Fields(c.yes) {
			if !Matches(c.pattern, name) {
				t.Errorf("%s does not match %s", c.pattern, name)
			}
		}
		for _, name := range strings.Fields(c.no) {
			if Matches(c.pattern, name) {
				t.Errorf("%s matches %s", c.pattern, name)
			}
		}
	}
}

var (
	token     = `[^\x00-\x20\x7f*>.]+`
	isName    = regexp.MustCompile(`^(?s:` + token + `(\.` + token + `)*)$`)
	isPattern = regexp.MustCompile(`^(?s:((` + token + `|\*)\.)*(` + token + `|\*|>))$`)
)

// valid is the syntax in other words than those of check, but for bytes that are not UTF-8.
func valid(syntax *regexp.Regexp, text string) bool {
	return len(text) <= MaxName && strings.Count(text, ".") < MaxTokens && syntax.MatchString(text)
}

// expression gives a valid pattern as a regular expression.
func expression(pattern string) *regexp.Regexp {
	var b strings.Builder
	for i, token := range strings.Split(pattern, ".") {
		if i > 0 {
			b.WriteString(`\.`)
		}
		switch token {
		case "*":
			b.WriteString(`[^.]+`)
		case ">":
			b.WriteString(`.+`)
		default:
			b.WriteString(regexp.QuoteMeta(token))
		}
	}
	return regexp.MustCompile(`^(?s:` + b.String() + `)$`)
}

// All names and patterns of up to four tokens out of few agree with their expressions.
func TestMatchesAsExpressions(t *testing.T) {
	names, patterns := combinations("a b"), combinations("a b * >")
	pairs := 0
	for _, pattern := range patterns {
		if CheckPattern(pattern) != nil {
			continue
		}
		want := expression(pattern)
		for _, name := range names {
			if Matches(pattern, name) != want.MatchString(name) {
				t.Errorf("%s matches %s: %v", pattern, name, Matches(pattern, name))
			}
			pairs++
		}
	}
	if pairs != 4800 {
		t.Error(fmt.Sprint(pairs, " pairs"))
	}
}

// Two patterns overlap if there is a name that both match. One more token than they have is enough to find it.
func TestOverlap(t *testing.T) {
	names := combinations("a b c")
	var patterns []string
	for _, pattern := range combinations("a b * >") {
		if strings.Count(pattern, ".") < 3 && CheckPattern(pattern) == nil {
			patterns = append(patterns, pattern)
		}
	}
	for _, a := range patterns {
		for _, b := range patterns {
			want := slices.ContainsFunc(names, func(name string) bool { return Matches(a, name) && Matches(b, name) })
			if Overlap(a, b) != want {
				t.Errorf("%s and %s overlap: %v", a, b, !want)
			}
		}
	}
}

func combinations(tokens string) (all []string) {
	last := []string{""}
	for range 4 {
		var next []string
		for _, head := range last {
			for _, token := range strings.Fields(tokens) {
				next = append(next, head+token+".")
			}
		}
		for _, text := range next {
			all = append(all, strings.TrimSuffix(text, "."))
		}
		last = next
	}
	return all
}
