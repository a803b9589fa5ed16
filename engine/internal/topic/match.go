package topic

import (
	"slices"
	"strings"
)

// Match appends to sets those whose patterns match a valid name, the one of the name
// itself first. A subscriber may be in several of them: see Union. It allocates only
// what sets has no room for.
func (t *Table) Match(name string, sets []*Set) []*Set {
	if s := t.sets.get(name); s != nil && s.node == nil {
		sets = append(sets, s)
	}
	return match(&t.wildcards.root, name, sets)
}

// match appends what matches a name whose first tokens led to n. At each token there are two ways on, so that patterns of
// at most d tokens cost looking at less than 2 to the power of d+1 nodes.
func match(n *node[*Set], name string, sets []*Set) []*Set {
	if n.tail != nil {
		sets = append(sets, n.tail.value)
	}
	token, rest, more := strings.Cut(name, ".")
	for _, next := range [...]*node[*Set]{n.branch(token), n.star} {
		switch {
		case next == nil:
		case more:
			sets = match(next, rest, sets)
		case next.has:
			sets = append(sets, next.value)
		}
	}
	return sets
}

// Union appends to members those of all sets, which Match gave, but of a subscriber that
// is in several only one: that of the first set. It allocates only what members has no
// room for, which may be as much as all sets have, and now and then a bit for each subscriber.
//
// For one set it is a copy of its Members.
func (t *Table) Union(sets []*Set, members []uint64) []uint64 {
	if len(sets) == 0 {
		return members
	}
	t.sizeMarks()
	members = append(members, sets[0].members...)
	marked := 0
	for i, s := range sets[1:] {
		mark(t.marks, sets[i].owners)
		marked += len(sets[i].owners)
		members = appendUnmarked(members, s, t.marks)
	}
	if 4*marked > len(t.marks) { // to clear a word of many is that much faster
		clear(t.marks)
		return members
	}
	for _, s := range sets[:len(sets)-1] {
		for _, o := range s.owners {
			t.marks[o.id/64] = 0
		}
	}
	return members
}

// sizeMarks makes room for a mark of each subscriber, and not much more.
func (t *Table) sizeMarks() {
	words := len(t.subscribers.chunks) * (chunkLen / 64)
	if len(t.marks) < words || len(t.marks)/2 > words {
		t.marks = make([]uint64, words+words/8)
	}
}

func mark(marks []uint64, owners []owner) {
	for _, o := range owners {
		marks[o.id/64] |= 1 << (o.id % 64)
	}
}

// appendUnmarked writes every member and goes on only from those without a mark, for
// what a processor cannot guess is dear to branch on.
func appendUnmarked(members []uint64, s *Set, marks []uint64) []uint64 {
	members = slices.Grow(members, len(s.members))
	n, all := len(members), members[:len(members)+len(s.members)]
	for i, o := range s.owners {
		all[n] = s.members[i]
		n += int(^marks[o.id/64] >> (o.id % 64) & 1)
	}
	return all[:n]
}
