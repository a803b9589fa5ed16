package report

import (
	_ "embed"
	"html/template"
	"io"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Parse(pageSource))

// part is a section of the page.
type part struct {
	Title  string
	Note   string
	Charts []*chart
	Cells  []*chart // behind a click
}

// HTML writes one page that stands for itself: no script, and nothing that a browser would load. It is well-formed XML, too.
func (r *Report) HTML(w io.Writer) error {
	promises := r.Promises()
	var cells []table
	for _, one := range r.results {
		if t := one.table(); len(t.Rows) > 0 { // else all failed
			cells = append(cells, t)
		}
	}
	return page.Execute(w, map[string]any{
		"Promises": pagePromises(promises),
		"Verdicts": verdicts(promises) + "; " + r.noise(),
		"Summary":  r.summaryTable(),
		"Failures": r.failureTable(),
		"Parts":    r.parts(),
		"Cells":    cells,
		"Runs":     r.runTables(),
	})
}

// pagePromise is a promise as a row of the page, with its cells behind a click.
type pagePromise struct {
	Promise
	Class, Value, At, Beside string
	Cells                    [][]string
}

// statusClasses are colours. A sign and a word say the same.
var statusClasses = map[Status]string{Holds: "good", Partly: "good", Broken: "bad", NoRoom: "none", NotMeasured: "none"}

func pagePromises(promises []Promise) []pagePromise {
	var all []pagePromise
	for _, p := range promises {
		one := pagePromise{Promise: p, Class: statusClasses[p.Status], Value: missing}
		if worst := p.Worst(); worst != nil {
			one.Value, one.At, one.Beside = worst.text(p.unit), describe(worst.Cell), plain(worst.Note)
		}
		for i := range p.Findings {
			f := &p.Findings[i]
			one.Cells = append(one.Cells, []string{describe(f.Cell), f.text(p.unit), string(f.Status), plain(f.Note)})
		}
		all = append(all, one)
	}
	return all
}

// parts are the sections with drawings. What was not measured is left out.
func (r *Report) parts() []part {
	const ofC = "multiple of the C echo"
	echo, mask := r.of(record.Echo), r.of(record.Mask)
	all := []part{
		{Title: "CPU per echoed message", Note: "Processor time of the server, as a multiple of what the C echo needs, which does no WebSocket. Less is better."},
		{Title: "Throughput", Note: "Echoed messages a second. More is better; where the client is busy all the time, it is the limit."},
		{Title: "Latency", Note: "From when a message was to be sent, at a rate that is half of gorilla's ceiling. Less is better."},
		{Title: "Memory", Note: "What the resident memory of the whole process grew by, per idle connection. Less is better."},
		{Title: "Connections that come and go", Note: "Processor time for one that connects, upgrades, echoes once and closes. Less is better."},
		{Title: "Broadcast", Note: "One connection sends, all receive; C passes on what it reads, without WebSocket. More deliveries a second are better."},
		{Title: "Mask", Note: "Bandwidth of masking in place. More is better."},
		{Title: "Compression", Note: "Messages of JSON that come compressed and are echoed, compressed from the length on that is each server's default. Less is better."},
		{Title: "TLS", Note: "Processor time per message echoed over TLS 1.3 with AES-128-GCM, as a multiple of what Bun needs. Less is better."},
	}
	all[0].add(overview("Each cell", "connections × in flight × payload; the line is the C echo, numbers are wsloop's", echo, multiple(cpu, limit)))
	all[1].add(overview("Each cell, as multiples of the best in Go", "connections × in flight × payload; the line is the best library in Go", echo, multiple(perSecond, bestGo(perSecond))))
	for _, one := range echo {
		all[0].addCell(bars(describe(one.cell), ofC, one, times, 1, multiple(cpu, limit)))
		all[1].addCell(bars(describe(one.cell), "messages a second", one, rate, 0, plainValue(perSecond)))
	}
	for _, one := range r.of(record.Latency) {
		all[2].add(dots(describe(one.cell), "latency; numbers are p99.9", one, []metric{p50, p99, p999}, []string{"p50", "p99", "p99.9"}))
	}
	for _, one := range r.of(record.Idle) {
		all[3].add(dots(describe(one.cell), "bytes each; numbers are those after the echo", one, []metric{opened, echoed}, []string{"once open", "after each echoed"}))
	}
	for _, one := range r.of(record.Churn) {
		all[4].add(bars("CPU: "+describe(one.cell), "multiple of accept, echo and close in C", one, times, 1, multiple(cpu, limit)))
		all[4].add(bars("Rate: "+describe(one.cell), "connections a second", one, rate, 0, plainValue(perSecond)))
	}
	for _, one := range r.of(record.Broadcast) {
		all[5].add(bars(describe(one.cell), "deliveries a second", one, rate, 0, plainValue(perSecond)))
		all[5].addCell(bars("CPU: "+describe(one.cell), "CPU per delivery", one, nanos, 0, plainValue(cpu)))
	}
	all[6].add(overview("Each length, as multiples of memmove", "the line is memmove, numbers are wsloop's", mask, multiple(bandwidth, limit)))
	for _, one := range mask {
		all[6].addCell(bars(describe(one.cell), "bytes a second", one, byteRate, 0, plainValue(bandwidth)))
	}
	compressed := r.of(record.Deflate)
	all[7].add(overview("CPU in each cell, as multiples of the best rival", "connections × in flight × payload; the line is the best rival, numbers are wsloop's", compressed, multiple(cpu, bestRival(cpu))))
	for _, one := range compressed {
		all[7].addCell(bars("CPU: "+describe(one.cell), "CPU per message", one, nanos, 0, plainValue(cpu)))
		all[7].addCell(bars("Replies: "+describe(one.cell), "bytes for each of payload", one, share, 1, plainValue(ratio)))
	}
	for _, one := range r.of(record.DeflateIdle) {
		all[7].add(dots("Memory: "+describe(one.cell), "bytes each; numbers are those after 32 KiB", one, []metric{opened, echoed, filled}, []string{"once open", "after an echo each", "after 32 KiB each"}))
	}
	secured := r.of(record.TLS)
	all[8].add(overview("Each cell, as multiples of Bun", "connections × in flight × payload; the line is Bun, numbers are wsloop's", secured, multiple(cpu, bun)))
	for _, one := range secured {
		all[8].addCell(bars("CPU: "+describe(one.cell), "CPU per message", one, nanos, 0, plainValue(cpu)))
	}
	var shown []part
	for _, p := range all {
		if len(p.Charts)+len(p.Cells) > 0 {
			shown = append(shown, p)
		}
	}
	return shown
}

// add takes a chart, unless there was nothing to show.
func (p *part) add(c *chart) {
	if c != nil {
		p.Charts = append(p.Charts, c)
	}
}

func (p *part) addCell(c *chart) {
	if c != nil {
		p.Cells = append(p.Cells, c)
	}
}
