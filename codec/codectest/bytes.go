package codectest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxBytes bounds one expression, so that a slip in a repetition is an error and not a swap storm.
const maxBytes = 64 << 20

// maxDepth bounds the nesting of groups.
const maxDepth = 32

var (
	errQuote = errors.New("a quote is not closed")
	errLong  = fmt.Errorf("more than %d bytes", maxBytes)
)

// Bytes evaluates a byte expression; the package comment has the syntax. An empty expression is no
// bytes.
func Bytes(expr string) ([]byte, error) {
	e := expression{text: expr}
	b, err := e.sequence(0)
	if err == nil && e.pos < len(e.text) {
		err = errors.New("unexpected )")
	}
	if err != nil {
		return nil, fmt.Errorf("column %d of %q: %w", e.pos+1, excerpt(expr), err)
	}
	return b, nil
}

type expression struct {
	text string
	pos  int
}

// sequence evaluates items up to the end of the text or to a closing parenthesis.
func (e *expression) sequence(depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	b := []byte{}
	for e.space(); e.pos < len(e.text) && e.text[e.pos] != ')'; e.space() {
		item, err := e.item(depth)
		if err != nil {
			return nil, err
		}
		times, err := e.times()
		if err != nil {
			return nil, err
		}
		if len(item) > 0 && times > (maxBytes-len(b))/len(item) {
			return nil, errLong
		}
		b = append(b, bytes.Repeat(item, times)...)
	}
	return b, nil
}

func (e *expression) item(depth int) ([]byte, error) {
	switch rest := e.text[e.pos:]; {
	case rest[0] == '"':
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return nil, errors.New("not a Go string")
		}
		e.pos += len(quoted)
		s, err := strconv.Unquote(quoted)
		return []byte(s), err
	case rest[0] == '(':
		e.pos++
		return e.group(depth)
	case strings.HasPrefix(rest, "masked("):
		e.pos += len("masked(")
		return e.masked(depth)
	default:
		return e.hex()
	}
}

// group evaluates the rest of a parenthesis whose opening was taken.
func (e *expression) group(depth int) ([]byte, error) {
	b, err := e.sequence(depth + 1)
	if err != nil {
		return nil, err
	}
	if e.pos == len(e.text) {
		return nil, errors.New("missing )")
	}
	e.pos++
	return b, nil
}

// masked evaluates "key, expression)" and applies RFC 6455 section 5.3 as it is written there, byte
// by byte: it is the oracle for faster code.
func (e *expression) masked(depth int) ([]byte, error) {
	e.space()
	key, err := e.hex()
	if err != nil {
		return nil, err
	}
	if len(key) != 4 {
		return nil, errors.New("a masking key has four bytes")
	}
	e.space()
	if e.pos == len(e.text) || e.text[e.pos] != ',' {
		return nil, errors.New("expected a comma after the masking key")
	}
	e.pos++
	b, err := e.group(depth)
	for i := range b {
		b[i] ^= key[i%4]
	}
	return b, err
}

func (e *expression) hex() ([]byte, error) {
	start := e.pos
	for e.pos < len(e.text) && strings.IndexByte("0123456789abcdefABCDEF", e.text[e.pos]) >= 0 {
		e.pos++
	}
	digits := e.text[start:e.pos]
	if digits == "" {
		return nil, errors.New("expected hex, a string, a group or masked(")
	}
	if len(digits)%2 != 0 {
		return nil, errors.New("an odd number of hex digits")
	}
	return hex.DecodeString(digits)
}

// times reads the *N after an item, and answers 1 where there is none.
func (e *expression) times() (int, error) {
	if e.pos == len(e.text) || e.text[e.pos] != '*' {
		return 1, nil
	}
	e.pos++
	start := e.pos
	for e.pos < len(e.text) && '0' <= e.text[e.pos] && e.text[e.pos] <= '9' {
		e.pos++
	}
	n, err := strconv.Atoi(e.text[start:e.pos])
	if err != nil {
		return 0, errors.New("expected a number after *")
	}
	return min(n, maxBytes+1), nil
}

func (e *expression) space() {
	for e.pos < len(e.text) && (e.text[e.pos] == ' ' || e.text[e.pos] == '\t') {
		e.pos++
	}
}

func excerpt(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}
