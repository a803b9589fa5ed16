package topic

// A Set is the subscribers of one pattern. It and what it gives are valid until the next
// change of its table.
type Set struct {
	pattern string
	members []uint64
	owners  []owner     // one for each member
	node    *node[*Set] // in the tree of wildcards, nil if pattern has none
	index   uint32
}

// An owner says whose a member is.
type owner struct {
	id    uint32
	entry uint32 // the place of the membership among those of id
}

// An entry is a membership as its subscriber sees it.
type entry struct {
	set      uint32 // its index
	position uint32 // in the slices of the set
}

// room is what the members take, in bytes.
func (s *Set) room() int { return 8 * (cap(s.members) + cap(s.owners)) }

// Pattern is what was subscribed to.
func (s *Set) Pattern() string { return s.pattern }

// Members are the values of the subscribers, in no order. They are a view, not to be
// changed.
func (s *Set) Members() []uint64 { return s.members }

// add gives the position of a new member.
func (s *Set) add(member uint64, o owner) (position uint32) {
	position = uint32(len(s.members))
	s.members, s.owners = append1(s.members, member), append1(s.owners, o)
	return position
}

// remove fills a position with the last member, and gives the owner of what is there now;
// ok is false if it was the last itself.
func (s *Set) remove(position uint32) (moved owner, ok bool) {
	last := len(s.members) - 1
	if ok = int(position) < last; ok {
		moved = s.owners[last]
		s.members[position], s.owners[position] = s.members[last], moved
	}
	s.members, s.owners = shrink(s.members[:last]), shrink(s.owners[:last])
	return moved, ok
}
