package topics

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// request is what a client asks for.
type request struct {
	kind   string // its type
	id     []byte // as it came; nil without one
	topic  string
	data   []byte // as it came; nil without any
	others bool   // the publisher itself is left out
}

// memberNames are those of a request. They are case-sensitive.
var memberNames = []string{"type", "id", "topic", "data", "others"}

// maxIDBytes bounds what is sent back with an answer, as it is written.
const maxIDBytes = 64

// maxDepth bounds how deep arrays and objects in data are nested, for the sake of subscribers: their readers of JSON are recursive, and
// give up or worse.
const maxDepth = 100

var (
	errDepth  = errors.New("data is nested deeper than 100")
	errObject = errors.New("a request is an object")
	errID     = errors.New("id is neither a number nor a string of up to 64 bytes")
	errOthers = errors.New("others is neither true nor false")
)

// parse reads a request from a message of valid UTF-8, of which it keeps parts. If there is an error, the ID still
// counts, unless it is what is wrong, or the message is no JSON.
func parse(message []byte) (r request, err error) {
	if !json.Valid(message) {
		return r, fmt.Errorf("not JSON: %w", json.Unmarshal(message, new(any)))
	}
	rest := trim(message)
	if rest[0] != '{' {
		return r, errObject
	}
	seen := 0 // a bit for each of memberNames
	for rest = trim(rest[1:]); rest[0] != '}'; {
		var quotedName, value []byte
		quotedName, rest = cut(rest)
		value, rest = cut(rest)
		name, _ := unquote(quotedName)
		if err != nil && name != "id" {
			continue
		}
		member := slices.Index(memberNames, name)
		var wrong error
		switch {
		case member < 0:
			wrong = fmt.Errorf("member %s is unknown", quoted(name))
		case seen&(1<<member) != 0:
			wrong = fmt.Errorf("member %q comes twice", name)
		default:
			seen |= 1 << member
			wrong = r.set(name, value)
		}
		if err == nil {
			err = wrong
		}
	}
	return r, err
}

// set sets a member, whose name is known.
func (r *request) set(name string, value []byte) error {
	ok := true
	switch name {
	case "type":
		r.kind, ok = unquote(value)
	case "topic":
		r.topic, ok = unquote(value)
	case "data":
		if depth(value) > maxDepth {
			return errDepth
		}
		r.data = value
	case "others":
		r.others = bytes.Equal(value, []byte("true"))
		if !r.others && !bytes.Equal(value, []byte("false")) {
			return errOthers
		}
	case "id":
		if len(value) > maxIDBytes || bytes.IndexByte([]byte(`"-0123456789`), value[0]) < 0 {
			return errID
		}
		r.id = value
	}
	if !ok {
		return fmt.Errorf("%s is no string", name)
	}
	return nil
}
