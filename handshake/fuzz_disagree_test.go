package handshake

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// disagreement is a head that net/http's ReadRequest takes and this package refuses, on purpose.
type disagreement struct {
	name    string // in docs/fuzzing.md
	section string
	err     *Error
	head    string // where it shows
}

var disagreements = []disagreement{
	{"bare-lf", "RFC 9112 section 2.2", errBareLF, "GET / HTTP/1.1\nHost: a\n\n"},
	{"version", "RFC 6455 section 4.2.1", ErrProtocolVersion, "GET / HTTP/1.0\r\nHost: a\r\n\r\n"},
	{"long-method", "RFC 9112 section 3", ErrMethodUnknown, strings.Repeat("A", 25) + " / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"target-form", "RFC 9112 section 3.2", errTargetForm, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"target-byte", "RFC 9112 section 3.2", errTargetByte, "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"target-fragment", "RFC 6455 section 3", errFragment, "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"target-host", "RFC 3986 section 3.2", errAuthority, "GET ws:// HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"folded-line", "RFC 9112 section 5.2", errFolded, "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"},
	{"blank-in-name", "RFC 9112 section 5.1", errBlankInName, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
	{"host-missing", "RFC 9112 section 3.2", errNoHost, "GET / HTTP/1.1\r\n\r\n"},
	{"host-invalid", "RFC 9112 section 3.2", errHost, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"},
	{"long-target", "RFC 9112 section 3", ErrTargetTooLong, "GET /" + strings.Repeat("a", DefaultLineBytes) + " HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"long-line", "RFC 9110 section 5.4", errLineTooLong, "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", DefaultLineBytes) + "\r\n\r\n"},
	{"many-fields", "RFC 9110 section 5.4", errTooManyFields, "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: a\r\n", DefaultHeaderCount) + "\r\n"},
	{"large-head", "RFC 9110 section 5.4", ErrHeadTooLarge, "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: "+strings.Repeat("a", 1000)+"\r\n", 20) + "\r\n"},
}

// expectRefusal holds a refusal, or that more is needed, to what net/http makes of the same bytes.
func expectRefusal(t *testing.T, in []byte, err error) {
	if _, netErr := http.ReadRequest(bufio.NewReader(bytes.NewReader(in))); netErr != nil {
		return
	}
	for _, d := range disagreements {
		if err == d.err {
			return
		}
	}
	t.Fatalf("net/http reads %q, which gave %v", in, err)
}

// TestDisagreements shows that each is there, and documented.
func TestDisagreements(t *testing.T) {
	page, err := os.ReadFile("../docs/fuzzing.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range disagreements {
		var r Request
		if _, err := r.Parse([]byte(d.head), nil); err != d.err {
			t.Errorf("%s: %v", d.name, err)
		}
		if _, err := http.ReadRequest(bufio.NewReader(strings.NewReader(d.head))); err != nil {
			t.Errorf("%s: net/http refuses it too: %v", d.name, err)
		}
		if row := fmt.Sprintf("| `%s` | %s |", d.name, d.section); !strings.Contains(string(page), row) {
			t.Errorf("docs/fuzzing.md lacks the row %q", row)
		}
	}
}
