package route

import (
	"strconv"
	"strings"
)

// relation says how the paths of two patterns lie to each other; both bits may be set.
type relation uint8

const (
	widerP relation = 1 << iota // the first matches paths that the second does not
	widerQ                      // and the other way round
)

// conflict says why p and q cannot stand beside each other, or gives "".
func (p *pattern) conflict(q *pattern) string {
	if p.host != q.host {
		return ""
	}
	r, meet := p.compare(q)
	switch {
	case !meet:
		return ""
	case r == 0:
		return "it matches the same paths as " + quote(q.text)
	case r == widerP|widerQ:
		return "it and " + quote(q.text) + " both match " + quote(commonPath(p, q)) + ", and neither is more specific"
	}
	return ""
}

// compare tells whether p and q have a path in common, and which matches more.
func (p *pattern) compare(q *pattern) (r relation, meet bool) {
	n := min(len(p.segments), len(q.segments))
	for i := range n {
		step, meet := compareSegments(p.segments[i], q.segments[i])
		if !meet {
			return 0, false
		}
		r |= step
	}
	// What is left of the longer one is for the rest that ends the other, if one does.
	same := len(p.segments) == len(q.segments)
	return r, same || p.segments[n-1].kind == rest || q.segments[n-1].kind == rest
}

func compareSegments(p, q segment) (r relation, meet bool) {
	switch {
	case p.kind == q.kind:
		return 0, p.kind != literal || p.text == q.text
	case p.kind == rest:
		return widerP, true
	case q.kind == rest:
		return widerQ, true
	case p.kind == slash || q.kind == slash:
		return 0, false // of the others, none matches an empty segment
	case p.kind == single:
		return widerP, true
	default:
		return widerQ, true
	}
}

// commonPath gives a path that both match, if there is one.
func commonPath(p, q *pattern) string {
	if len(p.segments) < len(q.segments) {
		p, q = q, p
	}
	var b strings.Builder
	for i, s := range p.segments {
		if i < len(q.segments) && q.segments[i].kind != rest && s.kind != literal {
			s = q.segments[i]
		}
		b.WriteByte('/')
		if s.kind == literal || s.kind == single {
			b.WriteString(s.text)
		}
	}
	return b.String()
}

func quote(s string) string { return strconv.Quote(s) }
