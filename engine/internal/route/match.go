package route

import (
	"bytes"
	"slices"
)

// Match finds the pattern for a request. host is its host, with or without a port, which
// is not compared; names are compared in any case. target begins with the path as it was
// sent; a query behind it does not count. Values is a view of target.
//
// index is -1 and ok false when no pattern matches. Nothing is allocated.
func (t *Table) Match(host, target []byte) (index int, values Values, ok bool) {
	path := target
	if query := bytes.IndexByte(target, '?'); query >= 0 {
		path = target[:query]
	}
	if !validPath(path) {
		return none, Values{}, false
	}
	index = none
	if i, found := slices.BinarySearchFunc(t.hosts, hostName(host), compareHost); found {
		index = t.hosts[i].node.match(path)
	}
	if index == none && t.any != nil {
		index = t.any.match(path)
	}
	if index == none {
		return none, Values{}, false
	}
	return index, Values{t.routes[index], path}, true
}

// match finds the index of the most specific pattern below n for path, which is empty or
// begins with a slash. It looks at each node once, so a path costs no more than the
// patterns have segments.
func (n *node) match(path []byte) int {
	switch len(path) {
	case 0:
		return n.leaf
	case 1:
		if n.slash != none {
			return n.slash
		}
		return n.rest
	}
	segment, after := cutSegment(path)
	if i, found := slices.BinarySearchFunc(n.literals, segment, compareLiteral); found {
		if index := n.literals[i].node.match(after); index != none {
			return index
		}
	}
	if n.single != nil {
		if index := n.single.match(after); index != none {
			return index
		}
	}
	return n.rest
}

// cutSegment takes the first segment off a path that begins with a slash.
func cutSegment(path []byte) (segment, after []byte) {
	if end := bytes.IndexByte(path[1:], '/'); end >= 0 {
		return path[1 : 1+end], path[1+end:]
	}
	return path[1:], nil
}

// compareLiteral compares the text of a pattern with a segment of a path, which it
// decodes on the way.
func compareLiteral(b branch, segment []byte) int {
	key := b.key
	for ; len(segment) > 0; key = key[1:] {
		c, n := decodeByte(segment)
		switch {
		case key == "" || key[0] < c:
			return -1
		case key[0] > c:
			return 1
		}
		segment = segment[n:]
	}
	return min(len(key), 1)
}

// hostName takes the port off, if there is one.
func hostName(host []byte) []byte {
	if colon := bytes.LastIndexByte(host, ':'); colon > bytes.LastIndexByte(host, ']') {
		return host[:colon]
	}
	return host
}

// compareHost compares a host, which is in lower case, with that of a request.
func compareHost(b branch, host []byte) int {
	for i := range min(len(b.key), len(host)) {
		c := host[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if b.key[i] != c {
			return int(b.key[i]) - int(c)
		}
	}
	return len(b.key) - len(host)
}
