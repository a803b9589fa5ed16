package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// sections are the parts of the Markdown, by the names that markers call them, in the order of the whole.
var sections = []struct {
	name   string
	tables func(r *Report) []table
}{
	{"run", (*Report).runTables},
	{"promises", (*Report).promiseSection},
	{"summary", func(r *Report) []table { return []table{r.summaryTable()} }},
	{"cpu", func(r *Report) []table { return []table{r.cpuMatrix()} }},
	{"throughput", func(r *Report) []table { return []table{r.throughputMatrix()} }},
	{"latency", scenarioSection(record.Latency)},
	{"memory", scenarioSection(record.Idle)},
	{"churn", scenarioSection(record.Churn)},
	{"broadcast", scenarioSection(record.Broadcast)},
	{"mask", func(r *Report) []table { return []table{r.maskMatrix()} }},
	{"runtime", scenarioSection(record.Allocs, record.Collect)},
	{"deflate", (*Report).deflateSection},
	{"tls", (*Report).tlsSection},
	{"failures", func(r *Report) []table { return []table{r.failureTable()} }},
}

// Markdown writes all sections. A second time it writes the same.
func (r *Report) Markdown(w io.Writer) error {
	text, err := r.section("")
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	return err
}

// section writes the tables of a section that have rows, or those of all for "".
func (r *Report) section(name string) (string, error) {
	var b strings.Builder
	found := name == ""
	for _, s := range sections {
		if name != "" && name != s.name {
			continue
		}
		found = true
		for _, t := range s.tables(r) {
			if len(t.Rows) == 0 {
				continue
			}
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			t.markdown(&b)
		}
	}
	if !found {
		return "", fmt.Errorf("report: no section %q; there are %s", name, strings.Join(Sections(), ", "))
	}
	if b.Len() == 0 {
		b.WriteString("Not measured.\n")
	}
	return b.String(), nil
}

// Sections are the names that markers may have.
func Sections() []string {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	return names
}

func (r *Report) promiseSection() []table {
	promises := r.Promises()
	return []table{r.promiseTable(promises), brokenTable(promises)}
}

func scenarioSection(wanted ...record.Scenario) func(r *Report) []table {
	return func(r *Report) []table {
		var all []table
		for _, s := range wanted {
			for _, one := range r.of(s) {
				all = append(all, one.table())
			}
		}
		return all
	}
}

// matrix has a row for each cell of a scenario and a column for each server.
type matrix struct {
	scenario record.Scenario
	text     func(r *result, server string) string
	after    []column // behind the servers, of ours
}

func (m *matrix) table(r *Report, title string) table {
	results := r.of(m.scenario)
	t := table{Title: title, Head: []string{""}}
	var servers []string // in the order of each cell, which is one order unless a name changed its role
	noisy, rounds := 0, 0
	for _, one := range results {
		rounds, noisy = rounds+len(one.rounds), noisy+len(one.noisy)
		for _, server := range one.servers() {
			if !slices.Contains(servers, server) {
				servers = append(servers, server)
			}
		}
	}
	slices.SortStableFunc(servers, func(a, b string) int { return rank(results, a) - rank(results, b) })
	t.Note = fmt.Sprintf("%s, %d noisy", plural(rounds, "round"), noisy)
	for _, server := range servers {
		t.Head = append(t.Head, plain(server))
	}
	for _, c := range m.after {
		t.Head = append(t.Head, c.head)
	}
	for _, one := range results {
		row := []string{describe(one.cell)}
		for _, server := range servers {
			row = append(row, m.text(one, server))
		}
		for _, c := range m.after {
			row = append(row, c.text(one, one.first(record.Ours)))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// rank is the place of a server's role, of which it has one in each run, but perhaps not the same.
func rank(results []*result, server string) int {
	least := len(roles)
	for _, one := range results {
		if s, found := one.run.Servers[server]; found {
			least = min(least, slices.Index(roles, s.Role))
		}
	}
	return least
}

// ofLimitText writes the multiple of the limit, of ours with its extremes; of the limit itself, the value.
func ofLimitText(m metric) func(r *result, server string) string {
	return func(r *result, server string) string {
		switch base := limit(r); {
		case server == base:
			return m.unit.median(r.spread(m.name, server))
		case r.role(server) == record.Ours:
			return times.full(r.ratio(m.name, server, base))
		default:
			return times.median(r.ratio(m.name, server, base))
		}
	}
}

func (r *Report) cpuMatrix() table {
	m := matrix{record.Echo, ofLimitText(cpu), nil}
	return m.table(r, "CPU per echoed message, as multiples of the C echo")
}

func (r *Report) throughputMatrix() table {
	best := bestGo(perSecond)
	m := matrix{record.Echo, median("", perSecond).text, []column{
		beside("of best Go", perSecond, best), spreadBeside(perSecond, best), {"which is", func(r *result, _ string) string { return plain(best(r)) }},
	}}
	return m.table(r, "echoed messages a second")
}

// deflateSection has what compression costs, what it leaves, and what connections hold for it.
func (r *Report) deflateSection() []table {
	best := bestRival(cpu)
	cost := matrix{record.Deflate, median("", cpu).text, []column{
		beside("of best rival", cpu, best), spreadBeside(cpu, best), {"which is", func(r *result, _ string) string { return plain(best(r)) }},
	}}
	left := matrix{record.Deflate, median("", ratio).text, nil}
	return append([]table{
		cost.table(r, "CPU per compressed message"),
		left.table(r, "bytes of a reply, for each byte of its payload"),
	}, scenarioSection(record.DeflateIdle)(r)...)
}

// tlsSection has what a message costs over TLS, beside Bun and beside the best in Go, and in how many bytes it comes back.
func (r *Report) tlsSection() []table {
	best := bestGo(cpu)
	cost := matrix{record.TLS, median("", cpu).text, []column{
		beside("of Bun", cpu, bun), spreadBeside(cpu, bun),
		beside("of best Go", cpu, best), spreadBeside(cpu, best),
		{"which is", func(r *result, _ string) string { return plain(best(r)) }},
	}}
	wire := matrix{record.TLS, median("", ratio).text, nil}
	return []table{
		cost.table(r, "CPU per message echoed over TLS 1.3 with AES-128-GCM"),
		wire.table(r, "bytes of a reply, for each byte of its payload"),
	}
}

func (r *Report) maskMatrix() table {
	m := matrix{record.Mask, median("", bandwidth).text, []column{
		beside("of memmove", bandwidth, limit), spreadBeside(bandwidth, limit),
	}}
	return m.table(r, "mask")
}
