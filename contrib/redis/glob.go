package redis

import "strings"

// escape keeps Redis from reading a part of a name as a part of a glob.
var escape = strings.NewReplacer(`\`, `\\`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `*`, `\*`)

// subscription is what Redis is told to have messages come that match a pattern behind a prefix: a channel, or a glob that takes in at least
// what the pattern matches. No two patterns have the same.
//
//	rooms.5     the channel wsloop.rooms.5
//	rooms.*     the glob wsloop.rooms.*
//	rooms.>     the glob wsloop.rooms.?*
func subscription(prefix, pattern string) (channel string, glob bool) {
	tokens := strings.Split(pattern, ".")
	for i, token := range tokens {
		switch token {
		case "*":
			glob = true
		case ">":
			glob, tokens[i] = true, "?*"
		default:
			tokens[i] = escape.Replace(token)
		}
	}
	if !glob {
		return prefix + pattern, false
	}
	return escape.Replace(prefix) + strings.Join(tokens, "."), true
}

// matches says whether the pattern that became a glob matches a channel.
func matches(glob, channel string) bool {
	for {
		if glob == "?*" {
			return channel != ""
		}
		token, globs, more := strings.Cut(glob, ".")
		got, channels, moreGot := strings.Cut(channel, ".")
		if token == "*" && got == "" || token != "*" && !isEscaped(token, got) {
			return false
		}
		if !more || !moreGot {
			return more == moreGot
		}
		glob, channel = globs, channels
	}
}

// isEscaped says whether a part of a glob is a part of a name with escapes.
func isEscaped(token, name string) bool {
	for ; token != "" && name != ""; token, name = token[1:], name[1:] {
		if token[0] == '\\' {
			token = token[1:]
		}
		if token == "" || token[0] != name[0] {
			return false
		}
	}
	return token == "" && name == ""
}
