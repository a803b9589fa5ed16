package topic

// Receives says whether a subscription of id matches a valid name.
func (t *Table) Receives(id uint32, name string) bool {
	for _, e := range t.entries(id) {
		if Matches((*t.indexed.get(e.set)).pattern, name) {
			return true
		}
	}
	return false
}
