package report

import (
	"bufio"
	"strings"
	"unicode/utf8"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// table is a part of what is told, for the terminal, the page and Markdown alike. What is in it is plain.
type table struct {
	Title string
	Note  string // below the title
	Head  []string
	Rows  [][]string
}

// text writes the table with its columns aligned: the first to the left, the others as right says.
func (t *table) text(b *bufio.Writer, right bool) {
	b.WriteString(t.Title + "\n")
	if t.Note != "" {
		b.WriteString("  " + t.Note + "\n")
	}
	rows := t.Rows
	if strings.Join(t.Head, "") != "" {
		rows = append([][]string{t.Head}, rows...)
	}
	widths := make([]int, len(t.Head))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if line.WriteString("  "); i > 0 && right {
				line.WriteString(padding + cell)
			} else {
				line.WriteString(cell + padding)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// markdown writes the table, with its title in bold above it.
func (t *table) markdown(b *strings.Builder) {
	if t.Title != "" {
		b.WriteString("**" + escapeMarkdown(t.Title) + "**")
		if t.Note != "" {
			b.WriteString(" (" + escapeMarkdown(t.Note) + ")")
		}
		b.WriteString("\n\n")
	}
	row := func(cells []string) {
		for _, cell := range cells {
			b.WriteString("| " + escapeMarkdown(cell) + " ")
		}
		b.WriteString("|\n")
	}
	row(t.Head)
	b.WriteString(strings.Repeat("|---", len(t.Head)) + "|\n")
	for _, cells := range t.Rows {
		row(cells)
	}
}

var markdownEscapes = strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`)

func escapeMarkdown(s string) string { return markdownEscapes.Replace(s) }

// column is one of the table of a cell, in which each server has a row.
type column struct {
	head string
	text func(r *result, server string) string
}

// median is a column of a value.
func median(head string, m metric) column {
	return column{head, func(r *result, server string) string { return m.unit.median(r.spread(m.name, server)) }}
}

// full is a column of a value with its extremes.
func full(head string, m metric) column {
	return column{head, func(r *result, server string) string { return m.unit.full(r.spread(m.name, server)) }}
}

// beside is a column of a ratio to another server.
func beside(head string, m metric, other func(r *result) string) column {
	return column{head, func(r *result, server string) string {
		return times.median(r.ratio(m.name, server, other(r)))
	}}
}

// spreadBeside is a column of the extremes of that ratio.
func spreadBeside(m metric, other func(r *result) string) column {
	return column{"min to max", func(r *result, server string) string {
		if server == other(r) {
			return ""
		}
		return times.extremes(r.ratio(m.name, server, other(r)))
	}}
}

func limit(r *result) string { return r.first(record.Limit) }

func bun(*result) string { return "bun" }

func bestGo(m metric) func(r *result) string {
	return func(r *result) string {
		best, _ := r.best(m, record.GoRival)
		return best
	}
}

func bestRival(m metric) func(r *result) string {
	return func(r *result) string {
		best, _ := r.best(m, record.GoRival, record.Rival)
		return best
	}
}

// columns are what a scenario has to tell.
var columns = map[record.Scenario][]column{
	record.Echo: {
		median("CPU/message", cpu), beside("of C", cpu, limit), spreadBeside(cpu, limit),
		median("messages/s", perSecond), beside("of best Go", perSecond, bestGo(perSecond)), spreadBeside(perSecond, bestGo(perSecond)),
		median("server", serverBusy), median("client", clientBusy),
	},
	record.Latency: {
		full("p50", p50), full("p99", p99), full("p99.9", p999), beside("p99 of best rival", p99, bestRival(p99)),
		median("CPU/message", cpu), median("asked for, a second", metric{record.Rate, rate, true}),
	},
	record.Idle: {full("once open", opened), full("after an echo each", echoed)},
	record.Churn: {
		median("CPU/connection", cpu), beside("of C", cpu, limit), spreadBeside(cpu, limit),
		median("connections/s", perSecond), median("server", serverBusy), median("client", clientBusy),
	},
	record.Broadcast: {
		median("deliveries/s", perSecond), beside("of C", perSecond, limit),
		beside("of best rival", perSecond, bestRival(perSecond)), spreadBeside(perSecond, bestRival(perSecond)),
		median("CPU/delivery", cpu), beside("of C", cpu, limit), spreadBeside(cpu, limit),
		median("p50", p50), median("p99", p99), median("server", serverBusy), median("client", clientBusy),
	},
	record.Mask: {median("bandwidth", bandwidth), beside("of memmove", bandwidth, limit), spreadBeside(bandwidth, limit)},
	record.Allocs: {
		median("messages", metric{record.Messages, count, true}),
		median("allocations", metric{record.Mallocs, count, false}), median("GC cycles", metric{record.Cycles, count, false}),
		median("first half: messages", metric{record.FirstMessages, count, true}),
		median("allocations", metric{record.FirstMallocs, count, false}), median("GC cycles", metric{record.FirstCycles, count, false}),
	},
	record.Collect: {full("GC cycle", cycleTime)},
	record.Deflate: {
		median("CPU/message", cpu), beside("of best rival", cpu, bestRival(cpu)), spreadBeside(cpu, bestRival(cpu)),
		median("reply/payload", ratio), median("messages/s", perSecond), median("server", serverBusy), median("client", clientBusy),
	},
	record.TLS: {
		median("CPU/message", cpu), beside("of Bun", cpu, bun), spreadBeside(cpu, bun),
		beside("of best Go", cpu, bestGo(cpu)), spreadBeside(cpu, bestGo(cpu)),
		median("reply/payload", ratio), median("records", records), median("messages/s", perSecond),
		median("server", serverBusy), median("client", clientBusy),
	},
	record.DeflateIdle: {full("once open", opened), full("after an echo each", echoed), full("after 32 KiB each", filled)},
}

// titles name the scenarios.
var titles = map[record.Scenario]string{
	record.Echo:      "echo",
	record.Latency:   "latency at half of gorilla's ceiling",
	record.Idle:      "resident memory per idle connection",
	record.Churn:     "connections that come, echo once and go",
	record.Broadcast: "broadcast",
	record.Mask:      "mask",
	record.Allocs:    "allocations of a whole process",
	record.Collect:   "a GC cycle with simulated connections",

	record.Deflate:     "compressed echo",
	record.DeflateIdle: "resident memory per idle connection with compression",
	record.TLS:         "echo over TLS",
}

// table sets the servers of a cell below each other. A column that nobody has a value for is left out.
func (r *result) table() table {
	t := table{Title: r.title(), Note: r.roundsText(), Head: []string{""}}
	servers := r.servers()
	for _, server := range servers {
		t.Rows = append(t.Rows, []string{plain(server)})
	}
	for _, c := range columns[r.cell.Scenario] {
		var texts []string
		found := false
		for _, server := range servers {
			text := c.text(r, server)
			texts, found = append(texts, text), found || text != missing && text != ""
		}
		if !found {
			continue
		}
		t.Head = append(t.Head, c.head)
		for i, text := range texts {
			t.Rows[i] = append(t.Rows[i], text)
		}
	}
	return t
}

func (r *result) title() string {
	if what := describe(r.cell); what != "" {
		return titles[r.cell.Scenario] + ": " + what
	}
	return titles[r.cell.Scenario]
}

// roundsText says how many rounds there were, and how many of them others disturbed.
func (r *result) roundsText() string {
	text := plural(len(r.rounds), "round")
	if len(r.noisy) > 0 {
		text += ", " + whole(float64(len(r.noisy))) + " noisy"
	}
	return text
}
