package topic

import (
	"errors"
	"strconv"
	"strings"
)

// ErrLimit is that a subscriber has as many subscriptions as it may have.
var ErrLimit = errors.New("topic: too many subscriptions")

// A Reason is why a name or a pattern is refused.
type Reason uint8

const (
	EmptyToken      Reason = 1 + iota // nothing before, between or behind dots
	TooLong                           // more than MaxName bytes
	TooManyTokens                     // more than MaxTokens
	NotUTF8                           // bytes that are not UTF-8
	BlankOrControl                    // a byte up to 0x20, or 0x7f
	WildcardInName                    // * or >, where a name is needed
	WildcardInToken                   // * or > beside other bytes of a token
	TailNotLast                       // > before other tokens
	TooDeep                           // more tokens than a pattern with wildcards may have: see CheckDepth
)

// String is the reason in words.
func (r Reason) String() string {
	switch r {
	case EmptyToken:
		return "a token is empty"
	case TooLong:
		return "more than " + strconv.Itoa(MaxName) + " bytes"
	case TooManyTokens:
		return "more than " + strconv.Itoa(MaxTokens) + " tokens"
	case NotUTF8:
		return "not UTF-8"
	case BlankOrControl:
		return "blanks and control characters are not allowed"
	case WildcardInName:
		return "a name has no wildcards"
	case WildcardInToken:
		return "a wildcard is a whole token"
	case TailNotLast:
		return "> stands at the end only"
	case TooDeep:
		return "more tokens than a pattern with wildcards may have"
	}
	return "unknown"
}

// An Error says why a name or a pattern is refused.
type Error struct {
	Text   string // a copy of what was refused; of one that is too long, the first MaxName bytes
	Reason Reason
}

func newError(text string, reason Reason) *Error {
	return &Error{strings.Clone(text[:min(len(text), MaxName)]), reason}
}

// Error names the text and the reason.
func (e *Error) Error() string { return "topic: " + strconv.Quote(e.Text) + ": " + e.Reason.String() }
