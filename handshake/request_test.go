package handshake

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// chromeHead is what a browser sends, cookies included.
const chromeHead = "GET /socket/websocket?token=eyJhbGciOiJIUzI1NiJ9&vsn=2.0.0 HTTP/1.1\r\n" +
	"Host: app.example.com\r\n" +
	"Connection: Upgrade\r\n" +
	"Pragma: no-cache\r\n" +
	"Cache-Control: no-cache\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
	"Upgrade: websocket\r\n" +
	"Origin: https://app.example.com\r\n" +
	"Sec-WebSocket-Version: 13\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-GB,en;q=0.9\r\n" +
	"Cookie: _ga=GA1.1.1234567890.1700000000; session=0123456789abcdef; theme=\"dark\"\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
	"Sec-WebSocket-Protocol: graphql-transport-ws, graphql-ws\r\n" +
	"\r\n"

func parse(t testing.TB, head string) *Request {
	t.Helper()
	r := new(Request)
	if n, err := r.Parse([]byte(head), nil); err != nil || n != len(head) {
		t.Fatalf("Parse gave %d of %d, %v", n, len(head), err)
	}
	return r
}

func TestRequestAccessors(t *testing.T) {
	r := parse(t, chromeHead)
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"Method", r.Method(), "GET"},
		{"Target", r.Target(), "/socket/websocket?token=eyJhbGciOiJIUzI1NiJ9&vsn=2.0.0"},
		{"Path", r.Path(), "/socket/websocket"},
		{"Query", r.Query(), "token=eyJhbGciOiJIUzI1NiJ9&vsn=2.0.0"},
		{"Proto", r.Proto(), "HTTP/1.1"},
		{"Host", r.Host(), "app.example.com"},
		{"Origin", r.Origin(), "https://app.example.com"},
		{"Header", r.Header("accept-LANGUAGE"), "en-GB,en;q=0.9"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s is %q, want %q", c.name, c.got, c.want)
		}
		if cap(c.got) != len(c.got) {
			t.Errorf("%s has room for %d bytes more: an append would write over the head", c.name, cap(c.got)-len(c.got))
		}
	}
	if r.Header("Accept") != nil {
		t.Error("a field that is not there has a value")
	}
	if !r.HasToken("accept-encoding", "BR") || r.HasToken("Accept-Encoding", "b") || r.HasToken("X", "br") {
		t.Error("HasToken is wrong")
	}
	if !r.Offers("graphql-ws") || r.Offers("Graphql-ws") || r.Offers("graphql") {
		t.Error("Offers is wrong")
	}
}

func TestRequestIterators(t *testing.T) {
	r := parse(t, "GET / HTTP/1.1\r\nhost: a\r\nX: 1\r\nY:\r\nx: 2\r\n\r\n")
	var all, values []string
	for name, value := range r.All() {
		all = append(all, fmt.Sprintf("%s=%s", name, value))
	}
	for value := range r.Values("X") {
		values = append(values, string(value))
	}
	if got := strings.Join(all, " "); got != "host=a X=1 Y= x=2" {
		t.Errorf("All gives %s", got)
	}
	if got := strings.Join(values, " "); got != "1 2" {
		t.Errorf("Values gives %s", got)
	}
	for range r.All() {
		break
	}
	for range r.Values("X") {
		break
	}
	if y := r.Header("Y"); y == nil || len(y) != 0 {
		t.Errorf("an empty value is %#v", y)
	}
	if r.Query() != nil {
		t.Error("a target without a question mark has a query")
	}
}

func TestCookie(t *testing.T) {
	r := parse(t, "GET / HTTP/1.1\r\nHost: a\r\n"+
		"Cookie: a=1;b = 2 ; c=\"3\"; d; =5; e=; f=x=y; g=\"\r\ncookie: a=other; h=8;\r\n\r\n")
	for name, want := range map[string]string{"a": "1", "b": "2", "c": "3", "e": "", "f": "x=y", "g": "\"", "h": "8", "": "5"} {
		got, ok := r.Cookie(name)
		if !ok || string(got) != want {
			t.Errorf("cookie %q is %q (%v), want %q", name, got, ok, want)
		}
		if cap(got) != len(got) {
			t.Errorf("cookie %q has room behind it", name)
		}
	}
	for _, name := range []string{"d", "A", "other", "x"} {
		if got, ok := r.Cookie(name); ok {
			t.Errorf("cookie %q is %q, want none", name, got)
		}
	}
}

func TestIncompleteRequestIsEmpty(t *testing.T) {
	const head = "GET /a?b HTTP/1.1\r\nHost: a\r\nCookie: c=d\r\n\r\n"
	for _, bad := range []string{head[:len(head)-1], head[:10], head[:len(head)-1] + "x", ""} {
		var r Request
		_, _ = r.Parse([]byte(bad), nil)
		if r.Method() != nil || r.Target() != nil || r.Path() != nil || r.Query() != nil || r.Host() != nil ||
			r.Proto() != nil || r.Header("Host") != nil || r.IsUpgrade() || r.Offers("") {
			t.Errorf("%q: an incomplete request says something", bad)
		}
		for name := range r.All() {
			t.Errorf("%q: a field %q", bad, name)
		}
		if _, err := Accept(&r, nil); !errors.Is(err, ErrBadRequest) {
			t.Errorf("%q: Accept gave %v", bad, err)
		}
	}
}

// A request that was reset must not show anything of the one before.
func TestResetForgets(t *testing.T) {
	r := parse(t, "GET ws://old.example/old?old HTTP/1.1\r\nHost: x\r\nOld: old\r\n\r\n")
	r.Reset()
	if n, err := r.Parse([]byte("HEAD / HTTP/1.1\r\nHost: new\r\n\r\n"), nil); n == 0 || err != nil {
		t.Fatal(n, err)
	}
	if string(r.Host()) != "new" || r.Query() != nil || r.Header("Old") != nil || string(r.Path()) != "/" {
		t.Errorf("host %q, query %q, path %q, Old %q", r.Host(), r.Query(), r.Path(), r.Header("Old"))
	}
	r.Reset()
	if _, err := r.Parse([]byte("\n"), nil); err == nil {
		t.Fatal("no error")
	}
	r.Reset()
	if _, err := r.Parse([]byte("GET"), nil); err != nil {
		t.Errorf("after Reset: %v", err)
	}
}

// A Request that waits for its next use must not keep the caller's buffer alive.
func TestResetLetsGoOfTheBuffer(t *testing.T) {
	r := parse(t, chromeHead)
	if _, err := Accept(r, nil); err != nil {
		t.Fatal(err)
	}
	if len(r.extensions) == 0 || len(r.params) == 0 {
		t.Fatal("the head has no extension")
	}
	r.Reset()
	for _, e := range r.extensions[:cap(r.extensions)] {
		if e.Name != nil || e.Params != nil {
			t.Errorf("extension %q is kept", e.Name)
		}
	}
	for _, p := range r.params[:cap(r.params)] {
		if p.Name != nil || p.Value != nil {
			t.Errorf("parameter %q is kept", p.Name)
		}
	}
	if r.head != nil {
		t.Error("the head is kept")
	}
}

// Every byte is looked at in the call that brings it and never again: what was scanned
// is wiped, so a second look would see zeros and fail.
func TestParseNeverLooksBack(t *testing.T) {
	long := strings.Replace(chromeHead, "Pragma: no-cache", "Pragma: "+strings.Repeat("x \t", 2500)+"\t", 1)
	for _, head := range []string{chromeHead, long} {
		var r Request
		buf := make([]byte, len(head))
		last := len(head) - 1
		for i := range last {
			buf[i] = head[i]
			if n, err := r.Parse(buf[:i+1], nil); n != 0 || err != nil || r.Scanned() != i+1 {
				t.Fatalf("after %d bytes: %d, %v, scanned %d", i+1, n, err, r.Scanned())
			}
			buf[i] = 0
		}
		copy(buf, head)
		if n, err := r.Parse(buf, nil); n != len(head) || err != nil {
			t.Fatal(n, err)
		}
		whole := parse(t, head)
		for name, value := range whole.All() {
			if got := r.Header(string(name)); string(got) != string(value) {
				t.Errorf("%s is %q, want %q", name, got, value)
			}
		}
		if string(r.Target()) != string(whole.Target()) || string(r.Path()) != string(whole.Path()) {
			t.Errorf("target %q, path %q", r.Target(), r.Path())
		}
	}
}

// An error is found with the byte that proves it: one byte less is not an error yet.
func TestParseFailsEarly(t *testing.T) {
	for _, c := range []struct {
		head string
		want *Error
	}{
		{"\x16", errMethodByte},
		{"\r", errMethodByte},
		{" ", errMethodByte},
		{"GE\x00", errMethodByte},
		{"GET\n", errMethodByte},
		{"GET  ", errTargetForm},
		{"GET #", errFragment},
		{"GET \x80", errTargetByte},
		{"GET 1", errTargetForm},
		{"GET gopher", errTargetForm},
		{"GET ftp:", errTargetForm},
		{"GET h2", errTargetForm},
		{"PROXY TCP4", errTargetForm},
		{"GET /a#", errFragment},
		{"GET /a\x00", errTargetByte},
		{"GET /\r", errNoVersion},
		{"GET /\n", errBareLF},
		{"GET ws:/a", errTargetForm},
		{"GET ws://a@", errAuthority},
		{"GET ws://a:b/", errAuthority},
		{"GET *a", errTargetForm},
		{"GET / h", errVersionSyntax},
		{"GET / HTTP/2", ErrProtocolVersion},
		{"GET / HTTP/1.0", ErrProtocolVersion},
		{"OPTIONS * HTTP/1.1", errTargetForm},
		{"GET / HTTP/1.1 ", errVersionSyntax},
		{"GET / HTTP/1.1\r\r", errBareCR},
		{"GET / HTTP/1.1\r\n ", errFolded},
		{"GET / HTTP/1.1\r\n:", errFieldName},
		{"GET / HTTP/1.1\r\nA ", errBlankInName},
		{"GET / HTTP/1.1\r\nA\r", errNoColon},
		{"GET / HTTP/1.1\r\nA/", errFieldName},
		{"GET / HTTP/1.1\r\nA:\x00", errFieldValue},
		{"GET / HTTP/1.1\r\nA: b\n", errBareLF},
		{"GET / HTTP/1.1\r\nA: b\rc", errBareCR},
		{"GET / HTTP/1.1\r\nA: b\r\n\n", errBareLF},
		{"GET / HTTP/1.1\r\nA: b\r\n\r\n", errNoHost},
	} {
		var r Request
		if n, err := r.Parse([]byte(c.head[:len(c.head)-1]), nil); n != 0 || err != nil {
			t.Errorf("%q failed a byte too early: %v", c.head, err)
		}
		for _, more := range []string{"", "more"} {
			r.Reset()
			_, err := r.Parse([]byte(c.head+more), nil)
			if err != error(c.want) {
				t.Errorf("%q: %v, want %v", c.head+more, err, c.want)
			}
			if at := r.Scanned(); at != len(c.head)-1 && c.want != errNoHost {
				t.Errorf("%q: error at %d", c.head, at)
			}
		}
	}
}

// A caller that shows fewer bytes than before gets no panic and no answer.
func TestParseOfShrunkHead(t *testing.T) {
	var r Request
	for _, n := range []int{30, 3, len(chromeHead), 5} {
		got, err := r.Parse([]byte(chromeHead[:n]), nil)
		if err != nil || got != 0 && got != n {
			t.Errorf("%d bytes: %d, %v", n, got, err)
		}
	}
}

func TestLimitsResolve(t *testing.T) {
	std := Limits{DefaultHeadBytes, DefaultLineBytes, DefaultHeaderCount}
	for _, l := range []*Limits{nil, {}, {-1, -1, -1}} {
		if got := l.resolve(); got != std {
			t.Errorf("%v becomes %v", l, got)
		}
	}
	if got := (&Limits{1 << 30, 1 << 30, 7}).resolve(); got != (Limits{maxHeadBytes, maxHeadBytes, 7}) {
		t.Errorf("large limits become %v", got)
	}
}
