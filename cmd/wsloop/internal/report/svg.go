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
	plotWidth, plotHeight = 400, 260
	left, right           = 60, 32 // margins, the left one for the labels of values
	top, bottom           = 10, 40
)

// plot is a drawing of lines over one pair of axes.
type plot struct {
	Name    string // of the heading
	X, Y    string // what the axes show
	x, y    axis
	Lines   []line
	Summary string // for those who do not see it
}

// line is a series of points from left to right. Where y is not a number, it is interrupted.
type line struct {
	Name   string
	Class  string // of the colour: c1, c2 or c3
	points []point
}

type point struct{ x, y float64 }

// SVG draws the plot. Its colours come from the page.
func (p *plot) SVG() template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`,
		plotWidth, plotHeight, html.EscapeString(p.Name+": "+p.Summary))
	p.drawTicks(&b)
	for _, l := range p.Lines {
		fmt.Fprintf(&b, `<path class="line %s" d="%s"/>`, html.EscapeString(l.Class), p.path(l.points))
	}
	fmt.Fprintf(&b, `<text class="name" x="%d" y="%d" text-anchor="middle">%s</text></svg>`,
		left+(plotWidth-left-right)/2, plotHeight-6, html.EscapeString(p.X))
	return template.HTML(b.String())
}

// drawTicks draws the grid and its labels.
func (p *plot) drawTicks(b *strings.Builder) {
	for _, m := range p.y.ticks {
		y := p.row(m.at)
		fmt.Fprintf(b, `<path class="grid" d="M%d %.1fH%d"/><text class="y" x="%d" y="%.1f" text-anchor="end">%s</text>`,
			left, y, plotWidth-right, left-6, y+4, html.EscapeString(m.label))
	}
	for _, m := range p.x.ticks {
		x := p.column(m.at)
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %dV%d"/><text class="x" x="%.1f" y="%d" text-anchor="middle">%s</text>`,
			x, top, plotHeight-bottom, x, plotHeight-bottom+15, html.EscapeString(m.label))
	}
}

// path returns the commands of a line. A point alone is a dot, by its round ends.
func (p *plot) path(points []point) string {
	var b strings.Builder
	apart := true
	for i, at := range points {
		if math.IsNaN(at.y) {
			apart = true
			continue
		}
		command := 'L'
		if apart {
			command = 'M'
		}
		fmt.Fprintf(&b, "%c%.1f %.1f", command, p.column(at.x), p.row(at.y))
		if apart && (i+1 == len(points) || math.IsNaN(points[i+1].y)) {
			b.WriteString("h0")
		}
		apart = false
	}
	return b.String()
}

func (p *plot) column(x float64) float64 { return left + p.x.place(x)*(plotWidth-left-right) }

func (p *plot) row(y float64) float64 {
	return plotHeight - bottom - p.y.place(y)*(plotHeight-top-bottom)
}
