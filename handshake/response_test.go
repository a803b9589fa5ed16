package handshake

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// readResponse reads one response with net/http and fails if anything is left over.
func readResponse(t testing.TB, b []byte, method string) (*http.Response, string) {
	t.Helper()
	in := bufio.NewReader(strings.NewReader(string(b)))
	res, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	if rest, _ := io.ReadAll(in); len(rest) > 0 {
		t.Fatalf("%q is left after\n%s", rest, b)
	}
	return res, string(body)
}

func TestSwitching(t *testing.T) {
	r := parse(t, chromeHead)
	a, err := Accept(r, &Policy{Subprotocols: []string{"graphql-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	a.Agreed = []byte("permessage-deflate; server_no_context_takeover")
	var h Header
	if err := h.Add("Set-Cookie", "a=b; HttpOnly"); err != nil {
		t.Fatal(err)
	}
	const want = "HTTP/1.1 101 Switching Protocols\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
		"Sec-WebSocket-Protocol: graphql-ws\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n" +
		"Set-Cookie: a=b; HttpOnly\r\n" +
		"\r\n"
	if got := AppendSwitching([]byte("before|"), &a, &h); string(got) != "before|"+want {
		t.Errorf("got\n%s", got)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		header http.Header
		body   string
	}{
		{errBareLF, 400, nil, "400 Bad Request: a line ends in LF without CR (RFC 9112 section 2.2).\n"},
		{ErrMethod, 405, http.Header{"Allow": {"GET"}}, "405 Method Not Allowed: "},
		{errNoUpgrade, 426, http.Header{"Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Connection": {"Upgrade, close"}}, "426 Upgrade Required: "},
		{errTwoOrigins, 403, nil, "403 Forbidden: "},
		{ErrTargetTooLong, 414, nil, "414 URI Too Long: "},
		{errTooManyFields, 431, nil, "431 Request Header Fields Too Large: "},
		{ErrMethodUnknown, 501, nil, "501 Not Implemented: "},
		{ErrProtocolVersion, 505, nil, "505 HTTP Version Not Supported: "},
		{fmt.Errorf("in the engine: %w", errKey), 400, nil, "400 Bad Request: Sec-WebSocket-Key"},
		{errors.New("secret of the server"), 500, nil, "500 Internal Server Error: the server failed to answer the request.\n"},
	} {
		res, body := readResponse(t, AppendRefusal(nil, nil, c.err), "GET")
		if res.StatusCode != c.status || !strings.HasPrefix(body, c.body) || !strings.HasSuffix(body, ".\n") {
			t.Errorf("%v: %s %q", c.err, res.Status, body)
		}
		if !res.Close || res.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%v: close %v, %v", c.err, res.Close, res.Header)
		}
		for name, values := range c.header {
			// net/http takes Connection out of the header it returns when it is a
			// close; the bytes tell.
			line := fmt.Sprintf("\r\n%s: %s\r\n", strings.Replace(name, "Websocket", "WebSocket", 1), values[0])
			if raw := string(AppendRefusal(nil, nil, c.err)); strings.Count(raw, line) != 1 {
				t.Errorf("%v: no %q in\n%s", c.err, line, raw)
			}
		}
	}
}

func TestHeadGetsNoBody(t *testing.T) {
	r := parse(t, strings.Replace(chromeHead, "GET", "HEAD", 1))
	_, err := Accept(r, nil)
	for _, b := range [][]byte{
		AppendRefusal(nil, r, err),
		AppendResponse(nil, r, 200, nil, []byte("page")),
	} {
		if res, body := readResponse(t, b, "HEAD"); body != "" || res.ContentLength < 4 {
			t.Errorf("HEAD got %d and %q", res.ContentLength, body)
		}
	}
}

func TestPage(t *testing.T) {
	var h Header
	if err := h.Add("content-type", "text/html; charset=utf-8"); err != nil {
		t.Fatal(err)
	}
	res, body := readResponse(t, AppendResponse(nil, parse(t, chromeHead), 200, &h, []byte("<p>hello</p>")), "GET")
	if got := res.Header["Content-Type"]; body != "<p>hello</p>" || len(got) != 1 || got[0] != "text/html; charset=utf-8" {
		t.Errorf("%q, %q", body, got)
	}
	for _, status := range []int{204, 304} {
		b := string(AppendResponse(nil, nil, status, nil, []byte("page")))
		if strings.Contains(b, "page") || strings.Contains(b, "Content-Length") || !strings.HasSuffix(b, "\r\n\r\n") {
			t.Errorf("%d has a body:\n%s", status, b)
		}
	}
	for _, status := range []int{0, 101, 199, 600, -1} {
		if res, _ := readResponse(t, AppendResponse(nil, nil, status, nil, nil), "GET"); res.StatusCode != 500 {
			t.Errorf("status %d became %d", status, res.StatusCode)
		}
	}
	if res, _ := readResponse(t, AppendResponse(nil, nil, 499, nil, nil), "GET"); res.StatusCode != 499 {
		t.Errorf("499 became %s", res.Status)
	}
}

func TestHeaderAdd(t *testing.T) {
	var h Header
	for _, c := range []struct {
		name, value string
		want        error
	}{
		{"X-Ok", "", nil},
		{"X-Ok", "a\tb caf\xc3\xa9", nil},
		{"Upgrade-Insecure-Requests", "1", nil},
		{"Location", "/x", nil},
		{"", "a", ErrHeaderName},
		{"X Y", "a", ErrHeaderName},
		{"X:", "a", ErrHeaderName},
		{"X\r\nY", "a", ErrHeaderName},
		{"X\xc3\xa9", "a", ErrHeaderName},
		{"X", "a\r\nSet-Cookie: b=c", ErrHeaderValue},
		{"X", "a\rb", ErrHeaderValue},
		{"X", "a\nb", ErrHeaderValue},
		{"X", "a\x00b", ErrHeaderValue},
		{"X", "a\x7f", ErrHeaderValue},
		{"Connection", "close", ErrHeaderReserved},
		{"uPGRADE", "h2c", ErrHeaderReserved},
		{"content-length", "5", ErrHeaderReserved},
		{"Transfer-encoding", "chunked", ErrHeaderReserved},
		{"Sec-WebSocket-Accept", "x", ErrHeaderReserved},
		{"sec-websocket-anything", "x", ErrHeaderReserved},
		{"Sec-WebSocket-", "x", ErrHeaderReserved},
	} {
		h.Reset()
		if err := h.Add(c.name, c.value); err != c.want {
			t.Errorf("%q: %q gave %v, want %v", c.name, c.value, err, c.want)
		}
		want := ""
		if c.want == nil {
			want = c.name + ": " + c.value + "\r\n"
		}
		if string(h.lines) != want {
			t.Errorf("%q: %q left %q", c.name, c.value, h.lines)
		}
	}
}

func TestResponseAccepts(t *testing.T) {
	r := parse(t, chromeHead)
	a, err := Accept(r, &Policy{Subprotocols: []string{"graphql-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	var w Response
	if w.Subprotocol() != "" {
		t.Errorf("subprotocol of no handshake is %q", w.Subprotocol())
	}
	w.Reset(r, &a)
	if w.Subprotocol() != "graphql-ws" {
		t.Errorf("subprotocol is %q", w.Subprotocol())
	}
	for _, name := range []string{"chat", "graphql", "Graphql-ws", "graphql-ws\r\nX: y", "graphql-transport-ws, graphql-ws"} {
		if err := w.SetSubprotocol(name); err != ErrNotOffered {
			t.Errorf("%q gave %v", name, err)
		}
	}
	if err := w.SetSubprotocol("graphql-transport-ws"); err != nil {
		t.Error(err)
	}
	if err := w.AddHeader("X-A", "b"); err != nil {
		t.Error(err)
	}
	if err := w.AddHeader("X-A", "b\nc"); err != ErrHeaderValue {
		t.Error(err)
	}
	res, _ := readResponse(t, w.Append(nil), "GET")
	if res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Protocol") != "graphql-transport-ws" || res.Header.Get("X-A") != "b" {
		t.Errorf("%s %v", res.Status, res.Header)
	}
	if err := w.SetSubprotocol(""); err != nil || strings.Contains(string(w.Append(nil)), "Protocol:") {
		t.Errorf("no subprotocol: %v, %s", err, w.Append(nil))
	}
}

func TestResponseRefuses(t *testing.T) {
	r := parse(t, chromeHead)
	var w Response
	w.Reset(r, &Acceptance{})
	for _, status := range []int{0, 101, 200, 299, 600} {
		if err := w.Refuse(status, ""); err != ErrStatus {
			t.Errorf("%d gave %v", status, err)
		}
	}
	if _, refused := w.Refused(); refused {
		t.Error("refused by a status that is none")
	}
	if err := errors.Join(w.AddHeader("WWW-Authenticate", "Bearer"), w.Refuse(401, "who are you?\n")); err != nil {
		t.Fatal(err)
	}
	if status, refused := w.Refused(); status != 401 || !refused {
		t.Error(status, refused)
	}
	res, body := readResponse(t, w.Append(nil), "GET")
	if res.StatusCode != 401 || body != "who are you?\n" || res.Header.Get("WWW-Authenticate") != "Bearer" || !res.Close {
		t.Errorf("%s %v %q", res.Status, res.Header, body)
	}
	w.Reset(nil, nil)
	if err := w.SetSubprotocol("x"); err != ErrNotOffered {
		t.Error(err)
	}
	if res, body := readResponse(t, w.Append(nil), "GET"); res.StatusCode != 500 || body != "" || res.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("after Reset: %s %v %q", res.Status, res.Header, body)
	}
}

func TestErrorKinds(t *testing.T) {
	for _, c := range []struct{ err, kind *Error }{
		{errBareLF, ErrBadRequest},
		{errTwoOrigins, ErrForbiddenOrigin},
		{errNoUpgrade, ErrUpgradeRequired},
		{errLineTooLong, ErrHeadTooLarge},
		{ErrMethod, ErrMethod},
	} {
		if !errors.Is(c.err, c.kind) || c.err.Status != c.kind.Status {
			t.Errorf("%v is not %v", c.err, c.kind)
		}
	}
	if errors.Is(errBareLF, ErrForbiddenOrigin) {
		t.Error("400 is 403")
	}
	if got, want := errNoHost.Error(), "handshake: 400 Bad Request: the Host field is missing (RFC 9112 section 3.2)"; got != want {
		t.Errorf("%q", got)
	}
}

func TestStatusText(t *testing.T) {
	known := 0
	for status := range 700 {
		if text := StatusText(status); text != "" {
			known++
			if std := http.StatusText(status); text != std && !(status == 414 && std == "Request URI Too Long") {
				t.Errorf("%d is %q, net/http says %q", status, text, std)
			}
		}
	}
	if known < 20 {
		t.Errorf("%d phrases", known)
	}
}
