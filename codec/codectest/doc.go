// Package codectest reads conformance vectors: test cases of a protocol written as text.
//
// A file holds cases separated by blank lines. A case is a list of "key: value" lines; an indented
// line continues the value above it. A # outside quotes starts a remark that runs to the end of the
// line.
//
//	case: single-text-frame         # unique in its folder
//	rfc:  5.7
//	in:   81 85 37fa213d masked(37fa213d, "Hello")
//	want: text "Hello"
//
// The keys case and in are required and rfc is expected. The key in may repeat: the bytes are
// appended. The key want may repeat: the events are expected in that order. Every other key appears
// once at most and goes to Case.Options as it stands.
//
// A byte expression is a sequence of these items, each optionally followed by *N, which repeats it:
//
//	81 05 or 8105               bytes in hex, two digits each
//	"Hello\r\n"                 a Go string literal
//	(01 00)                     a group
//	masked(37fa213d, "Hello")   the inner expression under the masking key of RFC 6455 section 5.3
//
// The package only reads text: it knows nothing of frames, so that a defect in the code under test
// cannot hide in the reading of its own cases.
package codectest
