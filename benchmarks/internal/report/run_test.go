package report

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

func TestRunTables(t *testing.T) {
	f := newFile(t)
	run := func(id string, change func(*record.Run)) {
		r := record.Run{
			Kind: "run", Schema: record.Schema, ID: id, Began: time.Unix(1e9, 0), Suite: "custom", Commit: "c0ffee",
			Rounds: 2, Seconds: 1, Servers: maps.Clone(servers),
		}
		if change != nil {
			change(&r)
		}
		f.id = id
		f.write(r)
		f.add(cellOf(int(id[0]), 1, 125), "wsloop", record.CPU, 1)
	}
	run("a", nil)
	run("b", func(r *record.Run) { r.Rounds = 5; delete(r.Servers, "bun") })
	run("c", func(r *record.Run) { r.Servers["gws"] = record.Server{Role: record.GoRival, Version: "gws v2"} })
	run("d", func(r *record.Run) { r.Machine.Cores = 4 })
	run("e", func(r *record.Run) { r.Commit = "another" })
	run("f", func(r *record.Run) { r.Modified = true })
	run("g", func(r *record.Run) { r.Servers["ws"] = record.Server{Role: record.Rival, Version: "ws 8"} })
	tables := f.read().runTables()
	var titles []string
	for _, table := range tables {
		titles = append(titles, table.Title)
	}
	if want := []string{"3 runs", "run c", "run d", "run e", "run f"}; !slices.Equal(titles, want) {
		t.Fatalf("%q, expected %q", titles, want)
	}
	rows := tables[0].Rows
	if rows[0][1] != "custom; 2 rounds of 1 second" || rows[1][1] != "custom; 5 rounds of 1 second" {
		t.Errorf("%q", rows[:3])
	}
	for _, want := range [][]string{{"bun", "bun 1.4.5"}, {"ws", "ws 8"}, {"commit", "c0ffee"}} {
		if !slices.ContainsFunc(rows, func(row []string) bool { return slices.Equal(row, want) }) {
			t.Errorf("no row %q in %q", want, rows)
		}
	}
}
