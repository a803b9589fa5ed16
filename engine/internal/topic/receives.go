package topic

// manySets is from how many sets on looking at each takes longer than comparing patterns.
const manySets = 32

// Receives says whether id is in one of the sets that Match gave for a name and the table as it is.
func (t *Table) Receives(id uint32, name string, sets []*Set) bool {
	entries := t.entries(id)
	if len(sets) < manySets {
		for _, s := range sets {
			if s.find(id, entries) >= 0 {
				return true
			}
		}
		return false
	}
	for _, e := range entries {
		if Matches((*t.indexed.get(e.set)).pattern, name) {
			return true
		}
	}
	return false
}
