package codectest

import (
	"fmt"
	"strings"
)

// parser collects the fields of one case until a blank line ends it.
type parser struct {
	file   string
	line   int
	fields []field
	cases  []Case
	lines  map[string]int // case name to the line of its case key
}

type field struct {
	key, value string
	line       int
}

// add takes one line of the file.
func (p *parser) add(line string) error {
	if strings.TrimSpace(line) == "" {
		return p.end()
	}
	text, err := cutRemark(line)
	if err != nil {
		return p.errorf(p.line, "%w", err)
	}
	value := strings.TrimSpace(text)
	if value == "" {
		return nil
	}
	if text[0] == ' ' || text[0] == '\t' {
		if len(p.fields) == 0 {
			return p.errorf(p.line, "an indented line continues nothing")
		}
		last := &p.fields[len(p.fields)-1]
		last.value = strings.TrimSpace(last.value + " " + value)
		return nil
	}
	key, value, found := strings.Cut(value, ":")
	if !found || key == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz-") != "" {
		return p.errorf(p.line, "expected key: value, a remark or a blank line")
	}
	p.fields = append(p.fields, field{key, strings.TrimSpace(value), p.line})
	return nil
}

// end makes a case of the fields collected, if there are any.
func (p *parser) end() error {
	if len(p.fields) == 0 {
		return nil
	}
	c := Case{File: p.file, Line: p.fields[0].line}
	seen := make(map[string]bool)
	for _, f := range p.fields {
		if seen[f.key] && f.key != "in" && f.key != "want" {
			return p.errorf(f.line, "a second %s in one case", f.key)
		}
		seen[f.key] = true
		if err := p.set(&c, f); err != nil {
			return err
		}
	}
	switch {
	case c.Name == "":
		return p.errorf(c.Line, "a case without a name")
	case !seen["in"]:
		return p.errorf(c.Line, "case %q has no in", c.Name)
	case p.lines[c.Name] != 0:
		return p.errorf(c.Line, "case %q exists already at line %d", c.Name, p.lines[c.Name])
	}
	p.lines[c.Name] = c.Line
	p.cases = append(p.cases, c)
	p.fields = p.fields[:0]
	return nil
}

func (p *parser) set(c *Case, f field) error {
	switch f.key {
	case "case":
		c.Name, c.Line = f.value, f.line
	case "rfc":
		c.RFC = f.value
	case "in":
		b, err := Bytes(f.value)
		if err != nil {
			return p.errorf(f.line, "in: %w", err)
		}
		c.In = append(c.In, b...)
	case "want":
		if f.value == "" {
			return p.errorf(f.line, "want names no event")
		}
		c.Want = append(c.Want, f.value)
	default:
		if c.Options == nil {
			c.Options = make(map[string]string)
		}
		c.Options[f.key] = f.value
	}
	return nil
}

func (p *parser) errorf(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", p.file, line, fmt.Errorf(format, args...))
}

// cutRemark removes a remark and the line end. A # between quotes is text.
func cutRemark(line string) (string, error) {
	line = strings.TrimRight(line, "\r\n")
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == '#' && !quoted:
			return line[:i], nil
		}
	}
	if quoted {
		return "", errQuote
	}
	return line, nil
}
