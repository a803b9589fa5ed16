package topic

import "strings"

// A tree is nodes by token. The zero value is empty.
type tree[V any] struct {
	root  node[V]
	bytes int // about what the nodes take
}

// nodeBytes is about what a node takes beside its token: itself, and its place at its parent.
const nodeBytes = 120

func (n *node[V]) bytes() int { return nodeBytes + len(n.token) }

// A node is a place in a tree of tokens: those on the way from the root, which is its
// zero value, are the beginning of some names or patterns. It has a value where one ends.
// Every node but the root has a value, or some below it has.
type node[V any] struct {
	parent *node[V]
	token  string // its own copy, for what it was part of may be gone before it
	// The branches are in few, or when those were more than maxFew in many, until half as many are left.
	few  []*node[V]
	many *dict[*node[V]]
	// What follows a wildcard is no branch.
	star, tail *node[V]
	value      V
	has        bool // value
}

// maxFew is up to how many branches comparing with each is as fast as a map, which is
// many times larger.
const maxFew = 8

// branch gives the node for a token that is no wildcard, or nil.
func (n *node[V]) branch(token string) *node[V] {
	if n.many != nil {
		return n.many.get(token)
	}
	for _, b := range n.few {
		if b.token == token {
			return b
		}
	}
	return nil
}

// branches gives all nodes that branch gives, in no order.
func (n *node[V]) branches(yield func(*node[V]) bool) {
	for _, b := range n.few {
		if !yield(b) {
			return
		}
	}
	if n.many != nil {
		for _, b := range n.many.all {
			if !yield(b) {
				return
			}
		}
	}
}

// next gives the node for a token or a wildcard, or nil.
func (n *node[V]) next(token string) *node[V] {
	switch token {
	case star:
		return n.star
	case tail:
		return n.tail
	}
	return n.branch(token)
}

// find gives the node where text ends, if there is one.
func (n *node[V]) find(text string) *node[V] {
	for more := true; more && n != nil; {
		var token string
		token, text, more = strings.Cut(text, ".")
		n = n.next(token)
	}
	return n
}

// grow gives the node where text ends. It is one without a value if there was none: put
// has to follow. The tree keeps nothing of text itself.
func (t *tree[V]) grow(text string) *node[V] {
	n := &t.root
	for more := true; more; {
		var token string
		token, text, more = strings.Cut(text, ".")
		next := n.next(token)
		if next == nil {
			next = &node[V]{parent: n, token: strings.Clone(token)}
			n.attach(next)
			t.bytes += next.bytes()
		}
		n = next
	}
	return n
}

// put sets the value of a node.
func (n *node[V]) put(v V) { n.value, n.has = v, true }

// drop takes the value from a node, and all nodes that are of no more use.
func (t *tree[V]) drop(n *node[V]) {
	var none V
	n.value, n.has = none, false
	for n.parent != nil && !n.has && n.star == nil && n.tail == nil && n.few == nil && n.many == nil {
		t.bytes -= n.bytes()
		n.parent.detach(n)
		n = n.parent
	}
}

func (n *node[V]) attach(b *node[V]) {
	switch {
	case b.token == star:
		n.star = b
	case b.token == tail:
		n.tail = b
	case n.many != nil:
		n.many.put(b.token, b)
	case len(n.few) < maxFew:
		n.few = append1(n.few, b)
	default:
		n.many = new(dict[*node[V]])
		for _, f := range n.few {
			n.many.put(f.token, f)
		}
		n.many.put(b.token, b)
		n.few = nil
	}
}

func (n *node[V]) detach(b *node[V]) {
	switch {
	case b.token == star:
		n.star = nil
	case b.token == tail:
		n.tail = nil
	case n.many != nil:
		n.many.remove(b.token)
		if n.many.n > maxFew/2 {
			return
		}
		for _, m := range n.many.all {
			n.few = append1(n.few, m)
		}
		n.many = nil
	default:
		n.detachFew(b)
	}
}

func (n *node[V]) detachFew(b *node[V]) {
	last := len(n.few) - 1
	for i, f := range n.few {
		if f == b {
			n.few[i] = n.few[last]
			break
		}
	}
	n.few[last] = nil
	n.few = shrink(n.few[:last])
}
