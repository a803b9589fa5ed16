package topic

import (
	"fmt"
	"math/bits"
	"reflect"
)

// fault finds what is wrong in a table, or gives "".
func (t *Table) fault() string {
	if f := t.sets.fault(); f != "" {
		return "sets: " + f
	}
	if f := t.indexed.fault(); f != "" {
		return "indexed: " + f
	}
	if f := t.subscribers.fault(); f != "" {
		return "subscribers: " + f
	}
	wild, memberships, found, room, text := 0, 0, 0, 0, 0
	for pattern, s := range t.sets.all {
		if f := t.faultOfSet(pattern, s); f != "" {
			return pattern + ": " + f
		}
		if IsPattern(pattern) {
			wild++
		}
		memberships += len(s.members)
		room += s.room()
		text += len(pattern)
	}
	if n := count(&t.indexed); n != t.sets.n {
		return fmt.Sprint(n, " indices for ", t.sets.n, " sets")
	}
	for id := range uint32(len(t.subscribers.chunks)) * chunkLen {
		if entries := t.subscribers.at(id); entries != nil {
			found += len(*entries)
			room += 8 * cap(*entries)
			if len(*entries) == 0 || slack(*entries) {
				return fmt.Sprint("subscriber ", id, " has ", len(*entries), " entries, room for ", cap(*entries))
			}
		}
	}
	if found != memberships {
		return fmt.Sprint(found, " entries for ", memberships, " memberships")
	}
	if room != t.room || text != t.text {
		return fmt.Sprint(room, " bytes of members and ", text, " of patterns, says ", t.room, " and ", t.text)
	}
	values, f := t.wildcards.fault()
	if f == "" && values != wild {
		f = fmt.Sprint(values, " values for ", wild, " wildcards")
	}
	for _, word := range t.marks {
		if word != 0 {
			f = "marks are left"
		}
	}
	if t.sets.n == 0 && t.marks != nil {
		f = "an empty table has marks"
	}
	return f
}

func (t *Table) faultOfSet(pattern string, s *Set) string {
	switch {
	case s.pattern != pattern:
		return "under the name of another"
	case t.indexed.at(s.index) == nil || *t.indexed.at(s.index) != s:
		return "not where its index says"
	case len(s.members) == 0 || len(s.members) != len(s.owners):
		return fmt.Sprint(len(s.members), " members of ", len(s.owners), " owners")
	case slack(s.members) || slack(s.owners):
		return fmt.Sprint(len(s.members), " members, room for ", cap(s.members), " and ", cap(s.owners))
	case IsPattern(pattern) != (s.node != nil):
		return "in the tree, or not"
	case s.node != nil && (s.node != t.wildcards.root.find(pattern) || !s.node.has || s.node.value != s):
		return "not found in the tree"
	}
	for position, o := range s.owners {
		entries := t.subscribers.at(o.id)
		if entries == nil || int(o.entry) >= len(*entries) || (*entries)[o.entry] != (entry{s.index, uint32(position)}) {
			return fmt.Sprint("the entry of member ", position, " is not that of its owner")
		}
	}
	return ""
}

// slack reports whether a slice has more room than it should.
func slack[T any](s []T) bool { return cap(s) > 8 && len(s) < cap(s)/2 }

// unused reports whether nothing is kept in a part of a slice.
func unused[T any](s []T) bool {
	for i := range s {
		if !reflect.ValueOf(&s[i]).Elem().IsZero() {
			return false
		}
	}
	return true
}

func (d *dict[V]) fault() string {
	n, buckets := 0, len(d.buckets)
	for i, b := range d.buckets {
		n += len(b)
		for key := range b {
			if d.place(key) != i {
				return key + " is in another bucket"
			}
		}
	}
	switch {
	case n != d.n, d.n == 0 && d.buckets != nil, slack(d.buckets) || !unused(d.buckets[buckets:cap(d.buckets)]):
		return fmt.Sprint(n, " entries of ", d.n, " in ", buckets, " buckets")
	case n > maxBucket*buckets, buckets > 1 && n < minBucket*buckets:
		return fmt.Sprint(n, " entries in ", buckets, " buckets")
	case buckets == 1 && (d.most < n || d.most >= minShrink && n < d.most/4):
		return fmt.Sprint(n, " entries of once ", d.most)
	}
	return ""
}

func (s *slab[T]) fault() string {
	if n := len(s.chunks); n > 0 && s.chunks[n-1] == nil || slack(s.chunks) || s.full > n {
		return fmt.Sprint(n, " chunks, of which ", s.full, " are full")
	}
	live := 0
	for i, c := range s.chunks {
		n := 0
		if c != nil {
			for _, word := range c.used {
				n += bits.OnesCount64(word)
			}
			for k := range c.items {
				if c.used[k/64]>>(k%64)&1 == 0 && !unused(c.items[k:k+1]) {
					return fmt.Sprint("item ", k, " of chunk ", i, " is kept")
				}
			}
			if n == 0 || n != c.n {
				return fmt.Sprint("chunk ", i, " has ", n, " in use, and says ", c.n)
			}
			live++
		}
		if i < s.full && n != chunkLen {
			return fmt.Sprint("chunk ", i, " is not full")
		}
	}
	if live != s.live {
		return fmt.Sprint(live, " chunks, says ", s.live)
	}
	return ""
}

func count[T any](s *slab[T]) (n int) {
	for _, c := range s.chunks {
		if c != nil {
			n += c.n
		}
	}
	return n
}

// fault finds what is wrong in a tree, and counts its values.
func (t *tree[V]) fault() (values int, fault string) {
	values, bytes, fault := t.root.fault()
	if bytes -= t.root.bytes(); fault == "" && bytes != t.bytes {
		fault = fmt.Sprint(bytes, " bytes of nodes, says ", t.bytes)
	}
	return values, fault
}

func (n *node[V]) fault() (values, bytes int, fault string) {
	bytes = n.bytes()
	if n.has {
		values++
	}
	if n.many != nil {
		if f := n.many.fault(); f != "" || n.many.n <= maxFew/2 || n.few != nil {
			return 0, 0, fmt.Sprint(len(n.few), " branches in a slice and ", n.many.n, " in a map: ", f)
		}
	}
	if slack(n.few) || n.few != nil && len(n.few) == 0 || len(n.few) > maxFew || !unused(n.few[len(n.few):cap(n.few)]) {
		return 0, 0, fmt.Sprint(len(n.few), " branches in a slice of ", cap(n.few))
	}
	below := []*node[V]{n.star, n.tail}
	for b := range n.branches {
		below = append(below, b)
		if n.branch(b.token) != b {
			return 0, 0, b.token + " is not found"
		}
	}
	for _, b := range below {
		if b == nil {
			continue
		}
		if b.parent != n || n.next(b.token) != b {
			return 0, 0, b.token + " is not where it says"
		}
		v, size, f := b.fault()
		if f != "" {
			return 0, 0, b.token + "." + f
		}
		if v == 0 {
			return 0, 0, b.token + ": nothing is below"
		}
		values += v
		bytes += size
	}
	return values, bytes, ""
}

// fault finds what is wrong in the tree of names.
func (r *Retained[V]) fault() string {
	n, f := r.tree.fault()
	text := 0
	r.Match(tail, func(name string, _ V) bool {
		text += len(name)
		return true
	})
	if f == "" && (n != r.n || text != r.text) {
		f = fmt.Sprint(n, " values, with names of ", text, " bytes, says ", r.n, " and ", r.text)
	}
	return f
}
