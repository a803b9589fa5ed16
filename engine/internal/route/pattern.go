package route

import (
	"strings"
	"unicode"
)

// kind says which part of a path a segment of a pattern matches.
type kind uint8

const (
	literal kind = iota // one segment, whose decoded bytes are text
	single              // one segment, any
	rest                // all that follows, which may be only a slash
	slash               // the slash at the end of the path
)

// segment is one piece of a pattern: what stands between two slashes, or the slash at
// its end, which is a rest without a name.
type segment struct {
	kind kind
	text string // of a literal, decoded; otherwise the name
}

// pattern is a pattern taken apart.
type pattern struct {
	text     string // as it was given
	host     string // lower case, or empty
	segments []segment
}

// Error says why a pattern cannot be added.
type Error struct {
	Pattern string
	Reason  string
}

// Error names the pattern and the reason.
func (e *Error) Error() string { return "route: pattern " + quote(e.Pattern) + ": " + e.Reason }

// parsePattern takes a pattern apart; fault is empty if it can be matched.
func parsePattern(text string) (p *pattern, fault string) {
	start := strings.IndexByte(text, '/')
	switch {
	case strings.ContainsFunc(text, blankOrControl):
		return nil, "it holds a blank; a method has no place in it, for an opening handshake is a GET"
	case start < 0:
		return nil, "it has no path, not even a slash"
	}
	p = &pattern{text: text, host: strings.ToLower(text[:start])}
	if fault = hostFault(p.host); fault != "" {
		return nil, fault
	}
	for path := text[start+1:]; ; {
		part, after, more := strings.Cut(path, "/")
		s, fault := parseSegment(part, !more)
		if fault != "" {
			return nil, fault
		}
		if s.text != "" && s.kind != literal && p.has(s.text) {
			return nil, "the name " + s.text + " occurs twice"
		}
		p.segments = append(p.segments, s)
		if !more {
			return p, ""
		}
		path = after
	}
}

func blankOrControl(c rune) bool { return c <= ' ' || c == 0x7f }

// has reports whether a segment is called name.
func (p *pattern) has(name string) bool {
	for _, s := range p.segments {
		if s.kind != literal && s.text == name {
			return true
		}
	}
	return false
}

// hostFault holds a host to what a Host field may say without its port.
func hostFault(host string) string {
	switch {
	case strings.Contains(host, "{"):
		return "a host holds no wildcard; does the slash before the path lack?"
	case strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]"):
		return ""
	case strings.Contains(host, ":"):
		return "ports are not compared: leave it out"
	}
	for i := range len(host) {
		if c := host[i]; c >= 0x80 || c != '-' && c != '.' && c != '_' && c != '~' && !unicode.IsLetter(rune(c)) && !unicode.IsDigit(rune(c)) {
			return "the host is not a name of letters, digits, dots and hyphens"
		}
	}
	return ""
}

// parseSegment reads what stands between two slashes, or behind the last one.
func parseSegment(part string, last bool) (s segment, fault string) {
	name, wildcard := strings.CutPrefix(part, "{")
	switch {
	case part == "" && last:
		return segment{kind: rest}, ""
	case !wildcard && strings.Contains(part, "{"):
		return s, "a wildcard is a whole segment"
	case !wildcard:
		return parseLiteral(part)
	}
	name, closed := strings.CutSuffix(name, "}")
	if !closed {
		return s, "a wildcard is a whole segment and ends in }"
	}
	if name == "$" {
		s.kind = slash
	} else if s.text, closed = strings.CutSuffix(name, "..."); closed {
		s.kind = rest
	} else {
		s.kind = single
	}
	switch {
	case s.kind != single && !last:
		return s, "{" + name + "} stands at the end only"
	case s.kind == slash:
		s.text = ""
	case !isName(s.text):
		return s, "the name of a wildcard is one of Go, of letters, digits and underscores"
	}
	return s, ""
}

// parseLiteral refuses what no path that is taken could match.
func parseLiteral(part string) (s segment, fault string) {
	switch {
	case strings.ContainsAny(part, "?#"):
		return s, "queries and fragments are not matched"
	case !validSegment([]byte(part)):
		return s, "no path matches empty segments, dot segments, encoded slashes or broken encodings"
	}
	return segment{kind: literal, text: string(decode([]byte(part)))}, ""
}

func isName(s string) bool {
	for i, c := range s {
		if c != '_' && !unicode.IsLetter(c) && (i == 0 || !unicode.IsDigit(c)) {
			return false
		}
	}
	return s != ""
}
