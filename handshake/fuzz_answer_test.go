package handshake

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec/codectest"
)

// FuzzAnswer cuts the input where the second argument says. Any cut gives the same result;
// a head that is taken means to net/http what it means here; one that is not, net/http does
// not take either, but for answerDisagreements; an answer that opens the connection has what
// section 4.1 asks for, as net/http reads it.
func FuzzAnswer(f *testing.F) {
	for _, c := range codectest.Load(f, "testdata/answer") {
		f.Add(c.In, []byte{7, 1, 30})
	}
	f.Add([]byte(answerHead), []byte{100, 3})
	for _, d := range answerDisagreements {
		f.Add([]byte(d.head), []byte{1, 250})
	}
	prepared, err := Prepare(Opening{Target: "/", Host: "a", Subprotocols: []string{"chat", "superchat"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in, cuts []byte) {
		var whole, cut Answer
		before := slices.Clone(in)
		n, err := whole.Parse(in, nil)
		m, cutErr := 0, error(nil)
		for end, i := 0, 0; m == 0 && cutErr == nil; i++ {
			m, cutErr = cut.Parse(slices.Clone(in[:end]), nil)
			if end == len(in) {
				break
			}
			step := 1
			if len(cuts) > 0 {
				step = int(cuts[i%len(cuts)])
			}
			end = min(len(in), end+max(step, 1))
		}
		if n != m || fmt.Sprint(err) != fmt.Sprint(cutErr) || whole.Scanned() != cut.Scanned() || whole.Status() != cut.Status() {
			t.Fatalf("whole: %d, %v at %d; cut: %d, %v at %d", n, err, whole.Scanned(), m, cutErr, cut.Scanned())
		}
		if n == 0 {
			expectAnswerRefusal(t, in, err)
			return
		}
		res := compareAnswer(t, &whole, in[:n])
		protocol, err := prepared.Check(&whole, &sampleKey)
		if res != nil && err == nil {
			checkOpen(t, res, protocol)
		}
		if !bytes.Equal(in, before) {
			t.Fatal("the head was changed")
		}
	})
}

// checkOpen asks net/http's reading for what an answer must have.
func checkOpen(t *testing.T, res *http.Response, protocol string) {
	h := res.Header
	if res.StatusCode != 101 || !strings.EqualFold(h.Get("Upgrade"), "websocket") || h.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" ||
		h.Get("Sec-WebSocket-Protocol") != protocol || h.Get("Sec-WebSocket-Extensions") != "" {
		t.Fatalf("%s with %q opens the connection", res.Status, h)
	}
}

// compareAnswer leaves out, on purpose: answers that tell of a body or of trailers, which end
// with their head here, whatever net/http makes of those fields. In the rest, Cache-Control
// is made up by net/http from Pragma, and a Connection that holds close is taken out by it.
func compareAnswer(t *testing.T, a *Answer, head []byte) *http.Response {
	for _, name := range []string{"Content-Length", "Transfer-Encoding", "Trailer"} {
		if a.Header(name) != nil {
			return nil
		}
	}
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		t.Fatalf("net/http refuses: %v", err)
	}
	if res.StatusCode != a.Status() || res.ProtoMajor != 1 || res.ProtoMinor < 1 {
		t.Fatalf("net/http reads %s %d, not %d", res.Proto, res.StatusCode, a.Status())
	}
	fields := make(http.Header)
	for name, value := range a.All() {
		key := textproto.CanonicalMIMEHeaderKey(string(name))
		fields[key] = append(fields[key], string(value))
	}
	delete(fields, "Cache-Control")
	delete(res.Header, "Cache-Control")
	if a.HasToken("Connection", "close") {
		delete(fields, "Connection")
		delete(res.Header, "Connection")
	}
	if len(fields) != len(res.Header) {
		t.Fatalf("net/http reads %q, not %q", res.Header, fields)
	}
	for name, values := range fields {
		if !slices.Equal(values, res.Header[name]) {
			t.Fatalf("net/http reads %s as %q, not %q", name, res.Header[name], values)
		}
	}
	return res
}

// answerDisagreement is a head that net/http's ReadResponse takes and this package refuses, on
// purpose.
type answerDisagreement struct {
	name    string // in docs/fuzzing.md
	section string
	reason  string
	head    string // where it shows
}

var answerDisagreements = []answerDisagreement{
	{"answer-bare-lf", "RFC 9112 section 2.2", errBareLF.Reason, "HTTP/1.1 101 \n\n"},
	{"answer-version", "RFC 6455 section 4.1", errAnswerVersion.Reason, "HTTP/1.0 200 OK\r\n\r\n"},
	{"answer-status-line", "RFC 9112 section 4", errStatusLine.Reason, "HTTP/1.1  +10\r\n\r\n"},
	{"answer-reason", "RFC 9112 section 4", errReasonPhrase.Reason, "HTTP/1.1 101 \x00\r\n\r\n"},
	{"answer-bare-cr", "RFC 9112 section 2.2", errBareCR.Reason, "HTTP/1.1 101 a\rb\r\n\r\n"},
	{"answer-folded-line", "RFC 9112 section 5.2", errFolded.Reason, "HTTP/1.1 101 \r\nX: a\r\n b\r\n\r\n"},
	{"answer-blank-in-name", "RFC 9112 section 5.1", errBlankInName.Reason, "HTTP/1.1 101 \r\nX : a\r\n\r\n"},
	{"answer-long-status-line", "RFC 9112 section 3", errStatusTooLong.Reason, "HTTP/1.1 101 " + strings.Repeat("a", DefaultLineBytes) + "\r\n\r\n"},
	{"answer-long-line", "RFC 9110 section 5.4", errLineTooLong.Reason, "HTTP/1.1 101 \r\nX: " + strings.Repeat("a", DefaultLineBytes) + "\r\n\r\n"},
	{"answer-many-fields", "RFC 9110 section 5.4", errTooManyFields.Reason, "HTTP/1.1 101 \r\n" + strings.Repeat("X: a\r\n", DefaultHeaderCount+1) + "\r\n"},
	{"answer-large-head", "RFC 9110 section 5.4", ErrHeadTooLarge.Reason, "HTTP/1.1 101 \r\n" + strings.Repeat("X: "+strings.Repeat("a", 1000)+"\r\n", 20) + "\r\n"},
}

// expectAnswerRefusal holds an error, or that more is needed, to what net/http makes of the
// same bytes.
func expectAnswerRefusal(t *testing.T, in []byte, err error) {
	if _, netErr := http.ReadResponse(bufio.NewReader(bytes.NewReader(in)), nil); netErr != nil {
		return
	}
	for _, d := range answerDisagreements {
		if fault, ok := err.(*AnswerError); ok && fault.Reason == d.reason {
			return
		}
	}
	t.Fatalf("net/http reads %q, which gave %v", in, err)
}

// TestAnswerDisagreements shows that each is there, and documented.
func TestAnswerDisagreements(t *testing.T) {
	page, err := os.ReadFile("../docs/fuzzing.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range answerDisagreements {
		var a Answer
		_, err := a.Parse([]byte(d.head), nil)
		if fault, ok := err.(*AnswerError); !ok || fault.Reason != d.reason {
			t.Errorf("%s: %v", d.name, err)
		}
		if _, err := http.ReadResponse(bufio.NewReader(strings.NewReader(d.head)), nil); err != nil {
			t.Errorf("%s: net/http refuses it too: %v", d.name, err)
		}
		if row := fmt.Sprintf("| `%s` | %s |", d.name, d.section); !strings.Contains(string(page), row) {
			t.Errorf("docs/fuzzing.md lacks the row %q", row)
		}
	}
}
