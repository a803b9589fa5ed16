package report

import (
	"bufio"
	"io"
)

// Text writes everything for a terminal: the runs, what was found in each cell, what failed, and last the promises.
func (r *Report) Text(w io.Writer) error {
	b := bufio.NewWriter(w)
	part := func(t table, right bool) {
		if len(t.Rows) > 0 {
			t.text(b, right)
			b.WriteByte('\n')
		}
	}
	for _, t := range r.runTables() {
		part(t, false)
	}
	for _, one := range r.results {
		part(one.table(), true)
	}
	promises := r.Promises()
	part(r.failureTable(), false)
	part(brokenTable(promises), false)
	t := r.promiseTable(promises)
	t.text(b, false)
	return b.Flush()
}
