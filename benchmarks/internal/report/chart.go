package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// The drawing is in units that are pixels on a phone; a wide screen shows two of them side by side.
const (
	chartWidth = 400
	rowHeight  = 19
	chartTop   = 6
	chartFoot  = 36 // for the labels of the axis
	textWidth  = 58 // for values at the right
)

// chart has a row for each server or cell, and in it marks along one axis with whiskers from their least to
// their greatest value. Where Bars is set, a row has one mark, and it is a bar from 0.
type chart struct {
	Name    string
	Note    string // below the name
	Legend  []key
	axis    axis
	axisOf  string  // what the axis shows
	line    float64 // a vertical line there, unless it is 0
	bars    bool
	names   int // room for the names of rows
	rows    []row
	summary string // for those who do not see it
}

// row is one line of a chart.
type row struct {
	name  string
	class string // of the name: ours, or nothing
	text  string // at the right
	marks []mark
}

// mark is a value with its spread.
type mark struct {
	class string // its colour and its shape
	title string // what a pointer finds
	value Spread
}

// key explains a mark.
type key struct{ Class, Name string }

// Shape draws the mark of a key.
func (k key) Shape() template.HTML {
	return template.HTML(`<svg class="key" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">` + shape(k.Class, 7, 7) + `</svg>`)
}

// SVG draws the chart. Its colours come from the page.
func (c *chart) SVG() template.HTML {
	var b strings.Builder
	height := chartTop + len(c.rows)*rowHeight + chartFoot
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`,
		chartWidth, height, html.EscapeString(c.Name+": "+c.summary))
	c.drawTicks(&b, height-chartFoot)
	for i := range c.rows {
		c.rows[i].draw(&b, c, float64(chartTop+i*rowHeight)+rowHeight/2.0)
	}
	fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text></svg>`, (c.x(c.axis.low)+c.x(c.axis.high))/2, height-5, html.EscapeString(c.axisOf))
	return template.HTML(b.String())
}

// x is where a value is along the drawing.
func (c *chart) x(v float64) float64 {
	left := float64(c.names)
	return left + c.axis.place(v)*(chartWidth-textWidth-left)
}

// drawTicks draws the grid. A label that would touch the one before it is left out.
func (c *chart) drawTicks(b *strings.Builder, foot int) {
	end := math.Inf(-1)
	for _, t := range c.axis.ticks {
		x, half := c.x(t.at), labelWidth(t.label)/2
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %dV%d"/>`, x, chartTop, foot)
		if x-half > end+4 {
			fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, x, foot+13, html.EscapeString(t.label))
			end = x + half
		}
	}
	if c.line > 0 {
		fmt.Fprintf(b, `<path class="limitline" d="M%.1f %dV%d"/>`, c.x(c.line), chartTop, foot)
	}
}

func (r *row) draw(b *strings.Builder, c *chart, y float64) {
	fmt.Fprintf(b, `<g class="%s"><text class="name" x="%d" y="%.1f" text-anchor="end">%s</text>`, r.class, c.names-6, y+4, html.EscapeString(r.name))
	for i := range r.marks {
		r.marks[i].draw(b, c, y)
	}
	fmt.Fprintf(b, `<text class="value" x="%d" y="%.1f" text-anchor="end">%s</text></g>`, chartWidth-2, y+4, html.EscapeString(r.text))
}

func (m *mark) draw(b *strings.Builder, c *chart, y float64) {
	x := c.x(m.value.Median)
	fmt.Fprintf(b, `<g class="%s"><title>%s</title>`, m.class, html.EscapeString(m.title))
	if c.bars {
		fmt.Fprintf(b, `<path class="bar" d="M%d %.1fH%.1fv%dH%dz"/>`, c.names, y-6, x, 12, c.names)
	}
	if m.value.N > 1 {
		low, high := c.x(m.value.Min), c.x(m.value.Max)
		fmt.Fprintf(b, `<path class="whisker" d="M%.1f %.1fH%.1fM%.1f %.1fv6M%.1f %.1fv6"/>`, low, y, high, low, y-3, high, y-3)
	}
	if !c.bars {
		b.WriteString(shape(m.class, x, y))
	}
	b.WriteString("</g>")
}

// shape draws a mark at a place. Shapes differ as colours do, for those who see no colours.
func shape(class string, x, y float64) string {
	d := ""
	switch class {
	case "ours", "before", "third": // a diamond
		d = fmt.Sprintf("M%.1f %.1fl5 5l-5 5l-5 -5z", x, y-5)
	case "native", "second": // a square
		d = fmt.Sprintf("M%.1f %.1fh7v7h-7z", x-3.5, y-3.5)
	case "reference": // a cross
		d = fmt.Sprintf("M%.1f %.1fl7 7m0 -7l-7 7", x-3.5, y-3.5)
	case "limit": // an upright line
		d = fmt.Sprintf("M%.1f %.1fv12", x, y-6)
	default:
		return fmt.Sprintf(`<circle class="shape %s" cx="%.1f" cy="%.1f" r="3.6"/>`, class, x, y)
	}
	return fmt.Sprintf(`<path class="shape %s" d="%s"/>`, class, d)
}

// labelWidth is how wide a label is at most.
func labelWidth(label string) float64 { return 6.6 * float64(len([]rune(label))) }
