package topic

import "strings"

// Retained is a value for each of some names. The zero value is empty.
type Retained[V any] struct {
	tree tree[named[V]]
	n    int
	text int // bytes of the names
}

// named is a value with the whole name, of which its node has only the last token.
type named[V any] struct {
	name  string
	value V
}

// Len is the number of names.
func (r *Retained[V]) Len() int { return r.n }

// Bytes is about what the names take with all that leads to them, and not the values.
func (r *Retained[V]) Bytes() int { return r.tree.bytes + r.text + r.n*namedBytes }

// namedBytes is about what a name takes beside its text, and a node that has one beyond others.
const namedBytes = 32

// Get gives the value of a name.
func (r *Retained[V]) Get(name string) (value V, ok bool) {
	if n := r.tree.root.find(name); n != nil {
		return n.value.value, n.has
	}
	return value, false
}

// Set sets the value of a valid name, of which it keeps a copy, and gives the one before.
func (r *Retained[V]) Set(name string, value V) (before V, replaced bool) {
	if n := r.tree.root.find(name); n != nil && n.has {
		before, n.value.value = n.value.value, value
		return before, true
	}
	name = strings.Clone(name)
	r.tree.grow(name).put(named[V]{name, value})
	r.n++
	r.text += len(name)
	return before, false
}

// Delete removes a name and gives the value it had.
func (r *Retained[V]) Delete(name string) (before V, ok bool) {
	n := r.tree.root.find(name)
	if n == nil || !n.has {
		return before, false
	}
	before = n.value.value
	r.tree.drop(n)
	r.n--
	r.text -= len(name)
	return before, true
}

// Match calls yield with every name that a valid pattern matches, in no order, until it
// returns false. yield must not change r. What lies beside the tokens of the pattern is
// not looked at.
func (r *Retained[V]) Match(pattern string, yield func(name string, value V) bool) {
	below(&r.tree.root, pattern, yield)
}

// below yields what lies below n and matches. It returns false if yield did.
func below[V any](n *node[named[V]], pattern string, yield func(string, V) bool) bool {
	token, rest, more := strings.Cut(pattern, ".")
	switch token {
	case star:
		for b := range n.branches {
			if !matched(b, rest, more, yield) {
				return false
			}
		}
		return true
	case tail:
		for b := range n.branches {
			if !matched(b, "", false, yield) || !below(b, tail, yield) {
				return false
			}
		}
		return true
	}
	n = n.branch(token)
	return n == nil || matched(n, rest, more, yield)
}

// matched goes on from a node that the pattern's token led to.
func matched[V any](n *node[named[V]], rest string, more bool, yield func(string, V) bool) bool {
	switch {
	case more:
		return below(n, rest, yield)
	case n.has:
		return yield(n.value.name, n.value.value)
	}
	return true
}
