package handshake

import (
	"bytes"
	"iter"
)

// complete gives the fields of a complete head, and none before.
func (m *message) complete() []field {
	if m.head == nil {
		return nil
	}
	return m.fields
}

// next gives the index of the first field called name from index i on, or -1.
func (m *message) next(name string, i int) int {
	for fields := m.complete(); i < len(fields); i++ {
		if f := fields[i].name; f.len() == len(name) && equalFold(f.of(m.head), name) {
			return i
		}
	}
	return -1
}

func (m *message) valueAt(i int) []byte { return m.fields[i].value.of(m.head) }

// single gives the value of name when there is exactly one field of that name.
func (m *message) single(name string) (value []byte, ok bool) {
	i := m.next(name, 0)
	if i < 0 || m.next(name, i+1) >= 0 {
		return nil, false
	}
	return m.valueAt(i), true
}

// Header gives the value of the first field called name, in any case: nil when there
// is none, empty but not nil when the value is empty.
func (m *message) Header(name string) []byte {
	if i := m.next(name, 0); i >= 0 {
		return m.valueAt(i)
	}
	return nil
}

// Values goes over the values of every field called name, in order.
func (m *message) Values(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := m.next(name, 0); i >= 0; i = m.next(name, i+1) {
			if !yield(m.valueAt(i)) {
				return
			}
		}
	}
}

// All goes over every field in order: its name, case as sent, and its value.
func (m *message) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for _, f := range m.complete() {
			if !yield(f.name.of(m.head), f.value.of(m.head)) {
				return
			}
		}
	}
}

// HasToken reports whether token stands, in any case, in the comma-separated list
// that the fields called name make up together (RFC 9110 section 5.6.1).
func (m *message) HasToken(name, token string) bool {
	for i := m.next(name, 0); i >= 0; i = m.next(name, i+1) {
		for element, list := cutElement(m.valueAt(i)); element != nil; element, list = cutElement(list) {
			if equalFold(element, token) {
				return true
			}
		}
	}
	return false
}

// cutElement takes the first element that is not empty off a comma-separated list
// without quoting; element is nil when there is none. Empty elements are skipped, as
// RFC 9110 section 5.6.1.2 demands of a recipient.
func cutElement(list []byte) (element, rest []byte) {
	for len(list) > 0 {
		if i := bytes.IndexByte(list, ','); i >= 0 {
			element, list = trimBlanks(list[:i]), list[i+1:]
		} else {
			element, list = trimBlanks(list), nil
		}
		if len(element) > 0 {
			return element, list
		}
	}
	return nil, nil
}

// Cookie gives the value of the first cookie called name, which is matched exactly,
// without the double quotes it may stand in (RFC 6265 section 4.1.1).
func (r *Request) Cookie(name string) (value []byte, ok bool) {
	for i := r.next("Cookie", 0); i >= 0; i = r.next("Cookie", i+1) {
		for rest := r.valueAt(i); len(rest) > 0; {
			pair := rest
			if semicolon := bytes.IndexByte(rest, ';'); semicolon >= 0 {
				pair, rest = rest[:semicolon], rest[semicolon+1:]
			} else {
				rest = nil
			}
			pair = trimBlanks(pair)
			equals := bytes.IndexByte(pair, '=')
			if equals < 0 || string(trimBlanks(pair[:equals])) != name {
				continue
			}
			value = trimBlanks(pair[equals+1:])
			if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
				value = value[1 : n-1]
			}
			return value[:len(value):len(value)], true
		}
	}
	return nil, false
}
