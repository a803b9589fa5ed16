// Package route finds the handler for the target of an opening handshake. Its patterns
// are those of net/http's ServeMux since Go 1.22, without methods, for the request is
// always a GET:
//
//	/chat/{room}             one segment, called room
//	/files/{path...}         the rest of the path, which may be empty
//	/feed/                   every path that begins with it
//	/feed/{$}                that path alone
//	example.com/chat         the same for one host
//
// The more specific of two patterns wins, whatever the order they came in; two that
// match a common path of which neither is more specific are refused, and so are two that
// match the same paths. A pattern with a host wins over one without.
//
// # Paths
//
// A path is compared segment by segment, each decoded once. There are no redirects,
// because clients of WebSocket do not follow them: what net/http would redirect, such as
// /feed to /feed/, matches nothing, unless another pattern matches it as it stands.
//
// A path that two readers could take for two different ones matches nothing either, so
// that no spelling leads around a pattern that guards something:
//
//   - empty segments, as in //admin;
//   - dot segments, plain or encoded, as in /public/%2e%2e/admin;
//   - encoded slashes, as in /public%2fadmin;
//   - broken encodings, as in /%zz.
//
// Nothing is decoded twice: %2561 is the three characters %61.
//
// A table allocates nothing when it matches. A value allocates when it is asked for and
// something in it has to be decoded.
package route
