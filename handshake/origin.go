package handshake

import (
	"bytes"
	"strings"
)

// Origins is a set of origins that may connect, made by [ParseOrigins]. The zero value
// stands for the host of the request itself.
type Origins struct {
	patterns []originPattern
	any      bool
	null     bool
}

// originPattern matches scheme, host and port, and never a part of the text.
type originPattern struct {
	scheme  string // lower case; "" is http or https
	host    string // "" is any host
	suffix  bool   // host begins with a dot, and at least one label must precede it
	port    int    // 0 is the scheme's default, anyPort is any
	literal string // whole origin of a scheme without host and port of its own kind
}

const anyPort = -1

// origin is a serialized origin (RFC 6454 section 6.2) taken apart. port is 0 where the
// scheme has no default and none is written.
type origin struct {
	scheme, host []byte
	port         int
}

// ParseOrigins reads patterns. The set holds what a pattern names and nothing else; in
// particular the server's own host must be named too. A pattern is one of
//
//	https://example.com         that origin, on the scheme's default port
//	https://example.com:8443    that origin
//	https://*.example.com       one or more labels before it, and not example.com itself
//	http://localhost:*          any port
//	https://*                   any host on the default port
//	example.com                 http or https, each on its default port
//	null                        the origin of sandboxed pages and of files
//	*                           every origin, whatever it looks like
//
// Scheme and host are compared in any case. Other schemes, such as that of a browser's
// add-on, are written whole and compared whole. The error is a [*ConfigError] that names
// the pattern. No pattern at all gives the zero set.
func ParseOrigins(patterns ...string) (Origins, error) {
	var set Origins
	for _, text := range patterns {
		switch text {
		case "*":
			set.any = true
		case "null":
			set.null = true
		default:
			p, fault := parsePattern(text)
			if fault != "" {
				return Origins{}, &ConfigError{"origin pattern", text, fault}
			}
			set.patterns = append(set.patterns, p)
		}
	}
	return set, nil
}

func parsePattern(text string) (p originPattern, fault string) {
	scheme, rest, found := strings.Cut(strings.ToLower(text), "://")
	if !found {
		scheme, rest = "", scheme
	}
	switch {
	case found && !validScheme(scheme):
		return p, "the scheme is invalid"
	case strings.ContainsAny(rest, "/?#@"):
		return p, "an origin is a scheme, a host and a port, with nothing around them"
	case scheme == "ws", scheme == "wss":
		return p, "an origin is that of the page; write http or https"
	case found && defaultPort(scheme) == 0:
		if !all(rest, classValue) && rest != "" || strings.Contains(rest, "*") {
			return p, "an origin of this scheme is compared whole and cannot hold a wildcard or a blank"
		}
		return originPattern{literal: scheme + "://" + rest}, ""
	}
	p.scheme = scheme
	return p, p.parseHost(rest)
}

func (p *originPattern) parseHost(text string) (fault string) {
	host, port := splitPort([]byte(text))
	switch n, ok := portNumber(port); {
	case string(port) == ":*":
		p.port = anyPort
	case ok && n > 0:
		p.port = n
	case len(port) > 0:
		return "the port must be a number up to 65535 or *"
	}
	p.host = string(host)
	if p.host == "*" {
		p.host = ""
		return ""
	}
	if strings.HasPrefix(p.host, "*.") {
		p.host, p.suffix = p.host[1:], true
		host = host[2:]
	}
	if !validAuthority(host) || p.suffix && host[0] == '[' {
		return "the host is invalid; a * stands alone or for the first labels"
	}
	return ""
}

func validScheme(s string) bool {
	for i := range len(s) {
		if c := s[i]; classOf[c]&(classAlpha|classDigit) == 0 && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return s != "" && classOf[s[0]]&classAlpha != 0
}

// defaultPort gives 0 for a scheme that is not of the web.
func defaultPort[T text](scheme T) int {
	switch {
	case equalFold(scheme, "http"):
		return 80
	case equalFold(scheme, "https"):
		return 443
	}
	return 0
}

// checkOrigin compares whole origins (RFC 6455 section 10.2). A request with two Origin
// fields is refused even where every origin is allowed: no browser sends it.
func (p *Policy) checkOrigin(r *Request) *Error {
	first := r.next("Origin", 0)
	if first < 0 {
		return nil
	}
	if r.next("Origin", first+1) >= 0 {
		return errTwoOrigins
	}
	value, set := r.valueAt(first), &p.Origins
	switch {
	case set.any:
		return nil
	case string(value) == "null":
		if set.null {
			return nil
		}
		return ErrForbiddenOrigin
	}
	for i := range set.patterns {
		if l := set.patterns[i].literal; l != "" && equalFold(value, l) {
			return nil
		}
	}
	o, ok := parseOrigin(value)
	if !ok {
		return errOriginMalformed
	}
	if len(set.patterns) == 0 && !set.null {
		if p.sameHost(o, r.Host()) {
			return nil
		}
		return ErrForbiddenOrigin
	}
	for i := range set.patterns {
		if set.patterns[i].match(o) {
			return nil
		}
	}
	return ErrForbiddenOrigin
}

// parseOrigin takes a serialized origin apart; anything around its three parts, such as
// a path, makes it none.
func parseOrigin(b []byte) (o origin, ok bool) {
	scheme, rest, found := bytes.Cut(b, []byte("://"))
	if !found || !validAuthority(rest) {
		return o, false
	}
	o.scheme = scheme
	host, port := splitPort(rest)
	o.host = host
	if len(port) == 0 {
		o.port = defaultPort(scheme)
		return o, true
	}
	o.port, ok = portNumber(port)
	return o, ok
}

// sameHost compares with the host of the request, whose default port is that of the
// origin's scheme: behind a proxy the server cannot tell http from https by itself.
func (p *Policy) sameHost(o origin, authority []byte) bool {
	std := defaultPort(o.scheme)
	if std == 0 || p.Secure && std != 443 {
		return false
	}
	host, port := splitPort(authority)
	if n, ok := portNumber(port); ok {
		std = n
	}
	return o.port == std && equalFold(o.host, host)
}

func (p *originPattern) match(o origin) bool {
	std := defaultPort(o.scheme)
	if p.literal != "" || std == 0 || p.scheme != "" && !equalFold(o.scheme, p.scheme) {
		return false
	}
	switch p.port {
	case anyPort:
	case 0:
		if o.port != std {
			return false
		}
	default:
		if o.port != p.port {
			return false
		}
	}
	host := o.host
	switch {
	case p.host == "":
		return true
	case p.suffix:
		cut := len(host) - len(p.host)
		return cut > 0 && host[0] != '.' && equalFold(host[cut:], p.host)
	default:
		return equalFold(host, p.host)
	}
}
