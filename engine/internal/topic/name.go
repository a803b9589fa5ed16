package topic

import (
	"strings"
	"unicode/utf8"
)

const (
	// MaxName bounds names and patterns, in bytes.
	MaxName = 256
	// MaxTokens bounds the tokens of a name or pattern.
	MaxTokens = 32
)

const (
	star = "*" // one token
	tail = ">" // all tokens that are left, at least one
)

// CheckName says whether messages can be sent to name. The error is an [*Error].
func CheckName(name string) error { return check(name, false) }

// CheckPattern says whether one can subscribe to pattern. Every name is a pattern. The
// error is an [*Error].
func CheckPattern(pattern string) error { return check(pattern, true) }

// CheckDepth says whether a valid pattern with wildcards has no more than so many tokens. Without wildcards it may
// have any number. The error is an [*Error].
func CheckDepth(pattern string, tokens int) error {
	if IsPattern(pattern) && strings.Count(pattern, ".") >= tokens {
		return newError(pattern, TooDeep)
	}
	return nil
}

// IsPattern reports whether a valid pattern has wildcards, and so is no name.
func IsPattern(pattern string) bool { return strings.ContainsAny(pattern, star+tail) }

// Matches reports whether a valid pattern matches a valid name.
func Matches(pattern, name string) bool {
	for {
		want, restWanted, wantMore := strings.Cut(pattern, ".")
		token, rest, more := strings.Cut(name, ".")
		switch {
		case want == tail:
			return true
		case want != star && want != token || wantMore != more:
			return false
		case !more:
			return true
		}
		pattern, name = restWanted, rest
	}
}

// Overlap reports whether two valid patterns match a name both.
func Overlap(a, b string) bool {
	for {
		tokenA, restA, moreA := strings.Cut(a, ".")
		tokenB, restB, moreB := strings.Cut(b, ".")
		switch {
		case tokenA == tail || tokenB == tail:
			return true
		case tokenA != tokenB && tokenA != star && tokenB != star || moreA != moreB:
			return false
		case !moreA:
			return true
		}
		a, b = restA, restB
	}
}

func check(text string, wildcards bool) error {
	if reason := faultOf(text, wildcards); reason != 0 {
		return newError(text, reason)
	}
	return nil
}

// faultOf gives the reason to refuse text, or 0.
func faultOf(text string, wildcards bool) Reason {
	if len(text) > MaxName {
		return TooLong
	}
	if !utf8.ValidString(text) {
		return NotUTF8
	}
	for tokens, more := 1, true; more; tokens++ {
		if tokens > MaxTokens {
			return TooManyTokens
		}
		var token string
		token, text, more = strings.Cut(text, ".")
		if reason := faultOfToken(token, wildcards, !more); reason != 0 {
			return reason
		}
	}
	return 0
}

func faultOfToken(token string, wildcards, last bool) Reason {
	if token == "" {
		return EmptyToken
	}
	for i := range len(token) {
		switch c := token[i]; {
		case c <= ' ' || c == 0x7f:
			return BlankOrControl
		case c != star[0] && c != tail[0]:
		case len(token) > 1:
			return WildcardInToken
		case !wildcards:
			return WildcardInName
		case c == tail[0] && !last:
			return TailNotLast
		}
	}
	return 0
}
