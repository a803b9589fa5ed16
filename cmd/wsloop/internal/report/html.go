package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Parse(pageSource))

// WriteHTML writes one page that stands for itself: no script, and nothing that a browser would load. It is well-formed XML, too.
func (r *Report) WriteHTML(w io.Writer) error {
	tables := r.tables()
	return page.Execute(w, map[string]any{
		"Scenario": plain(r.Settings.Scenario),
		"Targets":  plain(strings.Join(r.Settings.Targets, " ")),
		"Headline": r.headlines(),
		"Warnings": r.warnings(),
		"Plots":    r.plots(),
		"Tables":   tables,
	})
}

// headlines are the figures that are looked for first.
func (r *Report) headlines() []headline {
	var all []headline
	for _, wanted := range []headline{
		{"open connections", "reached"},
		{"messages/s", "messages/s"},
		{"latency p50", "p50"},
		{"latency p99", "p99"},
		{"latency p99.9", "p99.9"},
		{"errors", "errors"},
		{"CPU per message", "cpu/message"},
		{"memory per connection", "bytes/conn"},
	} {
		f, _ := figureOf(wanted.Value) // the names are ours
		if v, found := f.find(r); found {
			text := f.unit.format(v)
			if f.unit == rate {
				text = scaled(v, "")
			}
			all = append(all, headline{wanted.Name, text})
		}
	}
	return all
}

// headline is a figure at the top of the page.
type headline struct{ Name, Value string }

func (r *Report) warnings() []string {
	var all []string
	for _, warning := range r.Generator.Warnings {
		all = append(all, plain(warning))
	}
	return all
}
