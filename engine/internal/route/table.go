package route

import (
	"bytes"
	"slices"
)

// none stands for no route.
const none = -1

// Table is a set of patterns. The zero value matches nothing. Patterns are added before
// the first Match; from then on any goroutine may use it.
type Table struct {
	routes []*route
	hosts  []branch // sorted; roots of the patterns with a host
	any    *node    // root of the others, nil when there is none
}

// route is a pattern with what its values need.
type route struct {
	*pattern
	names []string // of the wildcards, in order
	at    []int    // the segments they are
}

// node is what follows some segments: a tree over the segments of all patterns.
type node struct {
	literals []branch // sorted
	single   *node
	leaf     int // index of the pattern that ends here, as those below, or none
	rest     int
	slash    int
}

type branch struct {
	key  string
	node *node
}

func newNode() *node { return &node{leaf: none, rest: none, slash: none} }

// Add adds a pattern and gives its index: the number of those added before. The error
// is an [*Error], and the table is as it was.
func (t *Table) Add(text string) (index int, err error) {
	p, fault := parsePattern(text)
	for i := 0; fault == "" && i < len(t.routes); i++ {
		fault = p.conflict(t.routes[i].pattern)
	}
	if fault != "" {
		return none, &Error{text, fault}
	}
	r := &route{pattern: p}
	for i, s := range p.segments {
		if s.kind != literal && s.text != "" {
			r.names, r.at = append(r.names, s.text), append(r.at, i)
		}
	}
	index = len(t.routes)
	t.routes = append(t.routes, r)
	t.root(p.host).add(p.segments, index)
	return index, nil
}

// Len is the number of patterns.
func (t *Table) Len() int { return len(t.routes) }

// Pattern gives the pattern of an index, as it was added.
func (t *Table) Pattern(index int) string { return t.routes[index].text }

func (t *Table) root(host string) *node {
	if host != "" {
		return grow(&t.hosts, host, compareHost)
	}
	if t.any == nil {
		t.any = newNode()
	}
	return t.any
}

// grow gives the node of key, which it makes if there is none.
func grow(branches *[]branch, key string, compare func(branch, []byte) int) *node {
	i, found := slices.BinarySearchFunc(*branches, []byte(key), compare)
	if !found {
		*branches = slices.Insert(*branches, i, branch{key, newNode()})
	}
	return (*branches)[i].node
}

func (n *node) add(segments []segment, index int) {
	for _, s := range segments {
		switch s.kind {
		case literal:
			n = grow(&n.literals, s.text, compareDecoded)
		case single:
			if n.single == nil {
				n.single = newNode()
			}
			n = n.single
		case rest:
			n.rest = index
			return
		case slash:
			n.slash = index
			return
		}
	}
	n.leaf = index
}

// compareDecoded compares with bytes that are decoded already.
func compareDecoded(b branch, decoded []byte) int { return bytes.Compare([]byte(b.key), decoded) }
