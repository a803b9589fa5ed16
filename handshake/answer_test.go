package handshake

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const answerHead = "HTTP/1.1 101 Switching Protocols\r\n" +
	"Server: nginx/1.29.0\r\n" +
	"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n" +
	"Connection: keep-alive, Upgrade\r\n" +
	"Upgrade: websocket\r\n" +
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
	"Sec-WebSocket-Protocol: graphql-ws\r\n" +
	"Set-Cookie: a=b\r\nX-Empty:\r\nset-cookie: c=d\r\n" +
	"\r\n"

func parseAnswer(t testing.TB, head string) *Answer {
	t.Helper()
	a := new(Answer)
	if n, err := a.Parse([]byte(head), nil); err != nil || n != len(head) {
		t.Fatalf("Parse gave %d of %d, %v", n, len(head), err)
	}
	return a
}

func TestAnswerAccessors(t *testing.T) {
	a := parseAnswer(t, answerHead)
	if a.Status() != 101 || string(a.Header("SERVER")) != "nginx/1.29.0" || a.Header("Via") != nil {
		t.Errorf("status %d, server %q, via %q", a.Status(), a.Header("Server"), a.Header("Via"))
	}
	if empty := a.Header("X-Empty"); empty == nil || len(empty) != 0 {
		t.Errorf("an empty value is %#v", empty)
	}
	if !a.HasToken("connection", "UPGRADE") || a.HasToken("Connection", "keep") {
		t.Error("HasToken is wrong")
	}
	var cookies, names []string
	for value := range a.Values("Set-Cookie") {
		cookies = append(cookies, string(value))
		if cap(value) != len(value) {
			t.Error("a value has room behind it")
		}
	}
	for name := range a.All() {
		names = append(names, string(name))
	}
	if fmt.Sprint(cookies) != "[a=b c=d]" || len(names) != 9 || names[8] != "set-cookie" {
		t.Errorf("cookies %q, names %q", cookies, names)
	}
}

func TestIncompleteAnswerIsEmpty(t *testing.T) {
	for _, head := range []string{answerHead[:len(answerHead)-1], answerHead[:len(answerHead)-1] + "x", answerHead[:12], ""} {
		var a Answer
		_, _ = a.Parse([]byte(head), nil)
		if a.Status() != 0 || a.Header("Server") != nil || a.HasToken("Connection", "Upgrade") {
			t.Errorf("%q: an incomplete answer says something", head)
		}
		for name := range a.All() {
			t.Errorf("%q: a field %q", head, name)
		}
		if _, err := new(Prepared).Check(&a, &sampleKey); err != errIncomplete {
			t.Errorf("%q: Check gave %v", head, err)
		}
	}
}

// An answer that was reset must not show anything of the one before, nor keep its bytes.
func TestAnswerResetForgets(t *testing.T) {
	a := parseAnswer(t, answerHead)
	a.Reset()
	if a.head != nil || a.Status() != 0 || a.Scanned() != 0 {
		t.Error("something is left")
	}
	if n, err := a.Parse([]byte("HTTP/1.1 404 \r\nNew: 1\r\n\r\n"), nil); n == 0 || err != nil || a.Status() != 404 || a.Header("Server") != nil {
		t.Errorf("%d, %v, status %d, server %q", n, err, a.Status(), a.Header("Server"))
	}
	a.Reset()
	if _, err := a.Parse([]byte("\n"), nil); err == nil {
		t.Fatal("no error")
	}
	a.Reset()
	if _, err := a.Parse([]byte("HTTP"), nil); err != nil {
		t.Errorf("after Reset: %v", err)
	}
}

// Every byte is looked at once: what was scanned is wiped, so a second look would fail.
func TestAnswerNeverLooksBack(t *testing.T) {
	var a Answer
	buf := make([]byte, len(answerHead))
	for i := range len(buf) - 1 {
		buf[i] = answerHead[i]
		if n, err := a.Parse(buf[:i+1], nil); n != 0 || err != nil || a.Scanned() != i+1 {
			t.Fatalf("after %d bytes: %d, %v, scanned %d", i+1, n, err, a.Scanned())
		}
		buf[i] = 0
	}
	copy(buf, answerHead)
	if n, err := a.Parse(buf, nil); n != len(buf) || err != nil || a.Status() != 101 {
		t.Fatal(n, err, a.Status())
	}
	if n, err := a.Parse(buf[:5], nil); n != 0 || err != nil {
		t.Errorf("fewer bytes than before gave %d, %v", n, err)
	}
}

// An error is found with the byte that proves it, and knows the status as soon as it is there.
func TestAnswerFailsEarly(t *testing.T) {
	const line = "HTTP/1.1 403 No\r\n"
	for _, c := range []struct {
		head   string
		status int
		reason string
	}{
		{"h", 0, errStatusLine.Reason},
		{"HTTP/2", 0, errAnswerVersion.Reason},
		{"HTTP/x", 0, errStatusLine.Reason},
		{"HTTP/1.0", 0, errAnswerVersion.Reason},
		{"HTTP/1.1\n", 0, errBareLF.Reason},
		{"HTTP/1.1 40\n", 0, errBareLF.Reason},
		{"HTTP/1.1 40x", 0, errStatusLine.Reason},
		{"HTTP/1.1 403\r", 0, errStatusLine.Reason},
		{"HTTP/1.1 4030", 0, errStatusLine.Reason},
		{"HTTP/1.1 403 \x00", 403, errReasonPhrase.Reason},
		{"HTTP/1.1 403 No\n", 403, errBareLF.Reason},
		{"HTTP/1.1 403 No\rX", 403, errBareCR.Reason},
		{line + " ", 403, errFolded.Reason},
		{line + "A ", 403, errBlankInName.Reason},
		{line + "A: b\rc", 403, errBareCR.Reason},
		{line + "A: \x00", 403, errFieldValue.Reason},
		{line + "\r\r", 403, errBareCR.Reason},
	} {
		var a Answer
		if n, err := a.Parse([]byte(c.head[:len(c.head)-1]), nil); n != 0 || err != nil {
			t.Errorf("%q failed a byte too early: %v", c.head, err)
		}
		_, err := a.Parse([]byte(c.head+"more"), nil)
		fault, ok := err.(*AnswerError)
		if !ok || fault.Status != c.status || fault.Reason != c.reason || fault.kind != ErrAnswerMalformed {
			t.Errorf("%q: %#v, want %d and %s", c.head, err, c.status, c.reason)
		}
		if at := a.Scanned(); at != len(c.head)-1 {
			t.Errorf("%q: error at %d", c.head, at)
		}
	}
}

func TestAnswerLimits(t *testing.T) {
	for _, c := range []struct {
		limits Limits
		reason string
	}{
		{Limits{LineBytes: 20}, errStatusTooLong.Reason},
		{Limits{HeadBytes: 20}, errStatusTooLong.Reason},
		{Limits{LineBytes: 36}, errLineTooLong.Reason},
		{Limits{HeadBytes: 100}, ErrHeadTooLarge.Reason},
		{Limits{HeaderCount: 2}, errTooManyFields.Reason},
	} {
		var a Answer
		_, err := a.Parse([]byte(answerHead), &c.limits)
		if fault, ok := err.(*AnswerError); !ok || fault.Reason != c.reason || fault.Status != 101 || fault.kind != ErrAnswerTooLarge {
			t.Errorf("%v gave %v, want %s", c.limits, err, c.reason)
		}
	}
}

func TestAnswerErrorText(t *testing.T) {
	for text, err := range map[string]*AnswerError{
		"handshake: answer: the head is not complete": errIncomplete,
		"handshake: answer 403 Forbidden: no":         {Status: 403, Reason: "no"},
		"handshake: answer 599: no":                   {Status: 599, Reason: "no"},
	} {
		if err.Error() != text {
			t.Errorf("%q, want %q", err, text)
		}
	}
}

// What the server sends must not come back in an error, whatever it is.
func TestAnswerErrorRepeatsNothing(t *testing.T) {
	const evil = "evil"
	p, err := Prepare(Opening{Target: "/", Host: "a"})
	if err != nil {
		t.Fatal(err)
	}
	for _, head := range []string{
		evil, "HTTP/1.1 101 " + evil + "\n", "HTTP/1.1 302 " + evil + "\r\nLocation: " + evil + "\r\n\r\n",
		"HTTP/1.1 101 \r\nUpgrade: " + evil + "\r\n\r\n", "HTTP/1.1 101 \r\n" + evil + "\r\n",
		strings.Replace(answerHead, "graphql-ws", evil, 1), strings.Replace(answerHead, "s3pP", evil, 1),
	} {
		var a Answer
		if _, err = a.Parse([]byte(head), nil); err == nil {
			_, err = p.Check(&a, &sampleKey)
		}
		if err == nil || strings.Contains(err.Error(), evil) {
			t.Errorf("%q gave %v", head, err)
		}
	}
}

// The same fault is told for an answer with several, and each has its own words.
func TestCheckReasons(t *testing.T) {
	p, err := Prepare(Opening{Target: "/", Host: "a", Subprotocols: []string{"graphql-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	fields := []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}
	check := func(status string, fields ...string) (string, error) {
		return p.Check(parseAnswer(t, "HTTP/1.1 "+status+" \r\n"+strings.Join(append(slices.Clone(fields), "\r\n"), "\r\n")), &sampleKey)
	}
	if protocol, err := check("101", fields...); protocol != "" || err != nil {
		t.Fatal(protocol, err)
	}
	for i, want := range []*AnswerError{errAnswerUpgrade, errAnswerConnection, errNoAccept} {
		if _, err := check("101", fields[:i]...); err != want {
			t.Errorf("without what follows %q: %v, want %v", fields[:i], err, want)
		}
	}
	for _, c := range []struct {
		more string
		want *AnswerError
	}{
		{"Sec-WebSocket-Accept: x", errNoAccept},
		{"Sec-WebSocket-Protocol: x", errNotOffered},
		{"Sec-WebSocket-Protocol: graphql-ws\r\nSec-WebSocket-Protocol: graphql-ws", errAnswerProtocols},
		{"Sec-WebSocket-Extensions: x", errExtension},
		{"Sec-WebSocket-Extensions: \r\nSec-WebSocket-Extensions: x", errAnswerExtensions},
	} {
		if protocol, err := check("101", append(slices.Clone(fields), c.more)...); err != c.want || protocol != "" {
			t.Errorf("%s: %q, %v, want %v", c.more, protocol, err, c.want)
		}
	}
	if _, err := check("101", fields[0], fields[1], "Sec-WebSocket-Accept: x"); err != errAccept {
		t.Error(err)
	}
	for status, reason := range map[string]string{"100": reasonInterim, "199": reasonInterim, "200": reasonStatus, "299": reasonStatus, "300": reasonRedirect, "399": reasonRedirect, "400": reasonStatus, "099": reasonStatus} {
		if _, err := check(status, fields...); err.(*AnswerError).Reason != reason {
			t.Errorf("%s: %v", status, err)
		}
	}
}
