package engine

import (
	"strings"
	"testing"
)

// W76: no Origin, no browser. W77: an origin is compared as a whole. W78: two Origin fields are
// refused. The vectors of package handshake run through the engine too; these are the rows by name.
func TestOriginsW76W77W78(t *testing.T) {
	good := []string{"https://good.example"}
	for _, test := range []struct {
		name    string
		origins []string
		fields  []string
		status  int
	}{
		{"W76 missing", nil, nil, 101},
		{"W76 missing, configured", good, nil, 101},
		{"own host", nil, []string{"Origin: http://server.example.com"}, 101},
		{"another host", nil, []string{"Origin: http://evil.example"}, 403},
		{"configured", good, []string{"Origin: https://good.example"}, 101},
		{"own host is not implied", good, []string{"Origin: http://server.example.com"}, 403},
		{"W77 suffix", good, []string{"Origin: https://good.example.evil.com"}, 403},
		{"W77 path", good, []string{"Origin: https://evil.com/good.example"}, 403},
		{"W77 port", good, []string{"Origin: https://good.example:444"}, 403},
		{"W77 scheme", good, []string{"Origin: http://good.example"}, 403},
		{"W77 null", good, []string{"Origin: null"}, 403},
		{"all", []string{"*"}, []string{"Origin: https://evil.example"}, 101},
		{"W78 twice", good, []string{"Origin: https://good.example", "Origin: https://good.example"}, 403},
	} {
		m := newMemory(t, &Server{Origins: test.origins})
		if status, _, _ := m.request(t, head("/", test.fields...)); status != test.status {
			t.Errorf("%s: status %d, want %d", test.name, status, test.status)
		}
	}
}

// W119: the preface of HTTP/2 is refused in HTTP/1.1, with a reason, and closed.
func TestHTTP2PrefaceW119(t *testing.T) {
	t.Parallel()
	c := serve(t, &Server{CloseTimeout: never}).dial()
	c.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	status, fields, body := c.response()
	if status != 505 || !strings.Contains(fields, "Connection: close\r\n") || body == "" {
		t.Errorf("status %d, %q, %q", status, fields, body)
	}
	c.expectEOF()
}

// The limits of the head have one outcome each.
func TestHeadLimits(t *testing.T) {
	for name, test := range map[string]struct {
		request string
		status  int
	}{
		"request line": {head("/" + strings.Repeat("a", 200)), 414},
		"line":         {head("/", "X: "+strings.Repeat("a", 200)), 431},
		"head":         {head("/", "A: "+strings.Repeat("a", 80), "B: "+strings.Repeat("b", 80), "C: "+strings.Repeat("c", 80)), 431},
		"count":        {head("/", "A:", "B:", "C:", "D:"), 431},
		"fits":         {head("/", "A:", "B:", "C:"), 101},
	} {
		s := &Server{MaxHeadBytes: 400, MaxHeaderLine: 100, MaxHeaders: 8}
		m := newMemory(t, s)
		if status, _, _ := m.request(t, test.request); status != test.status {
			t.Errorf("%s: status %d, want %d", name, status, test.status)
		}
	}
}

// A head in pieces with frames in the segment of its last one: nothing is lost, and nothing is kept.
func TestFramesBehindAHeadInPieces(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{Events: tr.events()})
	in := head("/") + masked(true, 1, "one") + masked(true, 1, "two")
	for cut := 1; cut < len(head("/")); cut++ {
		c := m.accept()
		m.data(c, []byte(in[:cut]))
		m.data(c, []byte(in[cut:]))
		tr.expect(t, "open", "text one", "text two")
		if n := len(m.engine.rares) - 1 - len(m.engine.freeRares); n != 0 {
			t.Fatalf("cut at %d: the connection still owns memory", cut)
		}
		m.Close(c, nil)
		m.turn()
		tr.lines = nil
	}
}
