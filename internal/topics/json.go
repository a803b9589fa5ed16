package topics

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// cut takes a value off the front of what stands in an object of valid JSON, and what separates it from the next.
func cut(rest []byte) (value, after []byte) {
	n := valueLen(rest)
	return rest[:n], trim(rest[n:])
}

// trim skips what stands between the values of an object.
func trim(rest []byte) []byte { return bytes.TrimLeft(rest, ",: \t\r\n") }

// valueLen is the length of the value at the front of b, which goes on behind it and is valid.
func valueLen(b []byte) int {
	switch b[0] {
	case '"':
		return stringLen(b)
	case '{', '[':
		return nestedLen(b)
	}
	return bytes.IndexAny(b, ",} \t\r\n")
}

func stringLen(b []byte) int {
	for i := 1; ; i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

func nestedLen(b []byte) int {
	depth := 0
	for i := 0; ; i++ {
		switch b[i] {
		case '"':
			i += stringLen(b[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// depth is how many arrays and objects of a value stand within each other at most.
func depth(value []byte) (deepest int) {
	for i, open := 0, 0; i < len(value); i++ {
		switch value[i] {
		case '"':
			i += stringLen(value[i:]) - 1
		case '{', '[':
			open++
			deepest = max(deepest, open)
		case '}', ']':
			open--
		}
	}
	return deepest
}

// unquote gives what a value says if it is a string.
func unquote(value []byte) (s string, ok bool) {
	switch {
	case value[0] != '"':
		return "", false
	case bytes.IndexByte(value, '\\') < 0:
		return string(value[1 : len(value)-1]), true
	}
	return s, json.Unmarshal(value, &s) == nil
}

// object is a JSON object in the making; nil is an empty one.
type object []byte

// raw adds a member whose value is JSON. Nobody looks at its name.
func (o object) raw(name string, value []byte) object {
	separator := byte(',')
	if len(o) == 0 {
		separator = '{'
	}
	o = append(append(o, separator, '"'), name...)
	return append(append(o, '"', ':'), value...)
}

// text adds a string. What has to be escaped is, and nothing else, so that a string is not longer than it came.
func (o object) text(name, value string) object {
	o = append(o.raw(name, nil), '"')
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '"' || c == '\\':
			o = append(o, '\\', c)
		case c < ' ':
			o = append(o, `\u00`...)
			o = append(o, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			o = append(o, c)
		}
	}
	return append(o, '"')
}

func (o object) number(name string, n int) object {
	return strconv.AppendInt(o.raw(name, nil), int64(n), 10)
}

// end closes the object.
func (o object) end() []byte { return append(o, '}') }

// quoted shows the beginning of what a client sent.
func quoted(s string) string {
	const most = 64
	if len(s) <= most {
		return strconv.Quote(s)
	}
	end := most
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return strconv.Quote(s[:end]) + "..."
}
