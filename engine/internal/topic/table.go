package topic

import "strings"

// A Table is who subscribes to what. The zero value is empty.
//
// A subscriber is a number, better a small one, for the table has some room for all that
// are lower; UnsubscribeAll makes it free for another. With each subscription comes a
// value, the member, that stands in the set; a subscriber usually has one for all.
type Table struct {
	sets        dict[*Set] // by pattern
	wildcards   tree[*Set] // those that have some
	indexed     slab[*Set]
	subscribers slab[[]entry] // by id; those that have no entry are not in use
	marks       []uint64      // a bit for each id, 0 outside of Union
	room        int           // bytes of members, owners and entries, unused ones included
	text        int           // bytes of the patterns
}

const (
	// setBytes is about what a set takes beside its pattern and members: itself, and its place in the map.
	setBytes = 136
	// A chunk has so many bytes for each index, with what the allocator rounds up.
	indexedBytes, subscriberBytes = 9, 25
)

// Bytes is about what the table takes.
func (t *Table) Bytes() int {
	slabs := (t.indexed.live*indexedBytes + t.subscribers.live*subscriberBytes) * chunkLen
	return t.sets.n*setBytes + t.text + t.wildcards.bytes + t.room + slabs
}

// Len is the number of patterns that have a subscriber.
func (t *Table) Len() int { return t.sets.n }

// Count is the number of subscribers of exactly this pattern.
func (t *Table) Count(pattern string) int {
	if s := t.sets.get(pattern); s != nil {
		return len(s.members)
	}
	return 0
}

// Subscribe adds a subscription, of which the table keeps a copy of the pattern. added
// is false if there is one already, whose member stays; first is true if nobody else had
// that pattern. The error is an [*Error] of the pattern, or [ErrLimit] if id has limit
// subscriptions or more; a limit of 0 or less is none.
//
// It looks for the subscription among those of id or in the set, where there are fewer.
func (t *Table) Subscribe(id uint32, member uint64, pattern string, limit int) (added, first bool, err error) {
	s := t.sets.get(pattern)
	entries := t.entries(id)
	if s == nil {
		if err := CheckPattern(pattern); err != nil {
			return false, false, err
		}
	} else if s.find(id, entries) >= 0 {
		return false, false, nil
	}
	if limit > 0 && len(entries) >= limit {
		return false, false, ErrLimit
	}
	if first = s == nil; first {
		s = t.newSet(strings.Clone(pattern))
	}
	t.room -= s.room() + 8*cap(entries)
	position := s.add(member, owner{id, uint32(len(entries))})
	entries = append1(entries, entry{s.index, position})
	*t.subscribers.use(id) = entries
	t.room += s.room() + 8*cap(entries)
	return true, first, nil
}

// Subscribed says whether id has a subscription to exactly this pattern.
func (t *Table) Subscribed(id uint32, pattern string) bool {
	s := t.sets.get(pattern)
	return s != nil && s.find(id, t.entries(id)) >= 0
}

// Unsubscribe takes a subscription back. removed is false if there is none; last is true
// if nobody has that pattern any more.
func (t *Table) Unsubscribe(id uint32, pattern string) (removed, last bool) {
	s := t.sets.get(pattern)
	if s == nil {
		return false, false
	}
	i := s.find(id, t.entries(id))
	if i < 0 {
		return false, false
	}
	_, last = t.remove(id, i)
	return true, last
}

// UnsubscribeAll takes back all that id has, and tells each, in no order; last is true if
// nobody has that pattern any more. told may be nil. It must not use the table.
func (t *Table) UnsubscribeAll(id uint32, told func(pattern string, last bool)) {
	for n := len(t.entries(id)); n > 0; n-- {
		pattern, last := t.remove(id, n-1)
		if told != nil {
			told(pattern, last)
		}
	}
}

// Subscriptions appends the patterns of id to patterns, in no order.
func (t *Table) Subscriptions(id uint32, patterns []string) []string {
	for _, e := range t.entries(id) {
		patterns = append(patterns, (*t.indexed.get(e.set)).pattern)
	}
	return patterns
}

func (t *Table) entries(id uint32) []entry {
	if entries := t.subscribers.at(id); entries != nil {
		return *entries
	}
	return nil
}

// find gives the place of s among the entries of id, or -1.
func (s *Set) find(id uint32, entries []entry) int {
	if len(s.owners) < len(entries) {
		for _, o := range s.owners {
			if o.id == id {
				return int(o.entry)
			}
		}
		return -1
	}
	for i, e := range entries {
		if e.set == s.index {
			return i
		}
	}
	return -1
}

// remove takes an entry of id out, and fills its place with the last.
func (t *Table) remove(id uint32, place int) (pattern string, last bool) {
	entries := t.subscribers.get(id)
	gone := (*entries)[place]
	s := *t.indexed.get(gone.set)
	t.room -= s.room() + 8*cap(*entries)
	if moved, ok := s.remove(gone.position); ok {
		(*t.subscribers.get(moved.id))[moved.entry].position = gone.position
	}
	end := len(*entries) - 1
	if place < end {
		moved := (*entries)[end]
		(*entries)[place] = moved
		(*t.indexed.get(moved.set)).owners[moved.position].entry = uint32(place)
	}
	*entries = shrink((*entries)[:end])
	t.room += s.room() + 8*cap(*entries)
	if end == 0 {
		t.subscribers.release(id)
	}
	if last = len(s.members) == 0; last {
		t.dropSet(s)
	}
	return s.pattern, last
}

// newSet makes the set of a pattern that the table may keep.
func (t *Table) newSet(pattern string) *Set {
	s := &Set{pattern: pattern}
	index, item := t.indexed.take()
	s.index, *item = index, s
	if IsPattern(pattern) {
		s.node = t.wildcards.grow(pattern)
		s.node.put(s)
	}
	t.text += len(pattern)
	t.sets.put(pattern, s)
	return s
}

// dropSet forgets an empty set.
func (t *Table) dropSet(s *Set) {
	t.sets.remove(s.pattern)
	t.text -= len(s.pattern)
	t.indexed.release(s.index)
	if s.node != nil {
		t.wildcards.drop(s.node)
		s.node = nil
	}
	if t.Len() == 0 {
		t.marks = nil
	}
}
