package handshake

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec/codectest"
)

// The options of a case in testdata/deflate: server-takeover, client-takeover, server-bits=N,
// client-bits=N, off (no options at all), none (an answer without the field).
func deflateOptions(t testing.TB, c *codectest.Case) *DeflateOptions {
	o := &DeflateOptions{}
	for _, word := range strings.Fields(c.Options["options"]) {
		key, value, _ := strings.Cut(word, "=")
		bits, _ := strconv.Atoi(value)
		switch key {
		case "off":
			o = nil
		case "none":
		case "server-takeover":
			o.ServerContextTakeover = true
		case "client-takeover":
			o.ClientContextTakeover = true
		case "server-bits":
			o.ServerMaxWindowBits = bits
		case "client-bits":
			o.ClientMaxWindowBits = bits
		default:
			t.Fatalf("%s: unknown option %s", c, word)
		}
	}
	return o
}

func formatParams(p DeflateParams) string {
	side := func(name string, bits uint8, without bool) string {
		if without {
			return fmt.Sprintf(" %s %d", name, bits)
		}
		return fmt.Sprintf(" %s %d takeover", name, bits)
	}
	return "params" + side("server", p.ServerMaxWindowBits, p.ServerNoContextTakeover) +
		side("client", p.ClientMaxWindowBits, p.ClientNoContextTakeover)
}

func checkEvents(t *testing.T, c *codectest.Case, got []string) {
	t.Helper()
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.Want) {
		t.Errorf("%s: got %q, want %q", c, got, c.Want)
	}
}

// offersOf reads an offer as Accept would, from one field or from two.
func offersOf(t testing.TB, fields ...string) []Extension {
	var r Request
	for _, value := range fields {
		if err := r.parseExtensionList([]byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	return r.extensions
}

func TestDeflateAccept(t *testing.T) {
	for _, c := range codectest.Load(t, "testdata/deflate/accept") {
		offers := offersOf(t, string(c.In))
		p, answer, ok := deflateOptions(t, &c).Accept([]byte("before"), offers)
		text := strings.TrimPrefix(string(answer), "before")
		got := []string{"decline"}
		if ok {
			got = []string{"agree " + strconv.Quote(text), formatParams(p)}
		} else if text != "" || p != (DeflateParams{}) {
			t.Errorf("%s: declined with %q, %+v", &c, text, p)
		}
		checkEvents(t, &c, got)
		if len(text) > 128 {
			t.Errorf("%s: an answer of %d bytes", &c, len(text))
		}
	}
	if _, _, ok := new(DeflateOptions).Accept(nil, offersOf(t, "x", deflateName)); !ok {
		t.Error("an offer in a second field is not seen")
	}
}

// answerWith gives a complete answer with these values of Sec-WebSocket-Extensions.
func answerWith(t testing.TB, values ...string) *Answer {
	head := "HTTP/1.1 101 Switching Protocols\r\n"
	for _, value := range values {
		head += extensionField + ": " + value + "\r\n"
	}
	var a Answer
	if n, err := a.Parse([]byte(head+"\r\n"), nil); n == 0 || err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	return &a
}

func TestDeflateAnswer(t *testing.T) {
	for _, c := range codectest.Load(t, "testdata/deflate/answer") {
		o := deflateOptions(t, &c)
		got := []string{"offer " + strconv.Quote(string(o.AppendOffer(nil)))}
		a := answerWith(t, string(c.In))
		if c.Options["options"] == "none" {
			a = answerWith(t)
		}
		p, agreed, err := o.CheckAnswer(a)
		switch {
		case err != nil:
			got = append(got, "refuse")
			if !errors.Is(err, ErrAnswerMismatch) || p != (DeflateParams{}) || agreed {
				t.Errorf("%s: refused with %v, %+v, %v", &c, err, p, agreed)
			}
		case agreed:
			got = append(got, formatParams(p))
		default:
			got = append(got, "open")
		}
		checkEvents(t, &c, got)
	}
	if _, _, err := new(DeflateOptions).CheckAnswer(answerWith(t, deflateName, deflateName)); err != errAnswerExtensions {
		t.Errorf("two fields gave %v", err)
	}
}

// Each refusal says what is wrong, and not something else.
func TestDeflateAnswerFaults(t *testing.T) {
	for value, want := range map[string]*AnswerError{
		"a;":                                   errAnswerList,
		"a":                                    errExtension,
		deflateName + "," + "a":                errExtension,
		deflateName + ",x, a":                  errExtension,
		deflateName + ";a":                     errDeflateParam,
		deflateName:                            errServerTakeover,
		deflateName + ";" + "," + deflateName:  errAnswerList,
		deflateName + "," + deflateName:        errDeflateTwice,
		deflateName + ";" + serverBits + "=12": errServerTakeover,
		deflateName + ";" + serverNoTake + ";" + serverBits + "=11;" + clientBits + "=11": errClientWindow,
	} {
		o := DeflateOptions{ServerMaxWindowBits: 11, ClientMaxWindowBits: 10}
		if _, _, err := o.CheckAnswer(answerWith(t, value)); err != want {
			t.Errorf("%s gave %v, want %v", value, err, want)
		}
	}
	o := DeflateOptions{ServerContextTakeover: true, ServerMaxWindowBits: 11}
	if _, _, err := o.CheckAnswer(answerWith(t, deflateName+";"+serverBits+"=12")); err != errServerWindow {
		t.Errorf("a window that is too large gave %v", err)
	}
}

// What our client offers our server agrees to, and our client takes its answer for what the
// server meant, whatever both want.
func TestDeflateBothRoles(t *testing.T) {
	options := func(i int) *DeflateOptions {
		windows := []int{0, 8, 12, 15}
		return &DeflateOptions{i&1 != 0, i&2 != 0, windows[i>>2&3], windows[i>>4&3]}
	}
	for i := range 64 {
		for j := range 64 {
			client, server := options(i), options(j)
			offer := client.AppendOffer(nil)
			p, answer, ok := server.Accept(nil, offersOf(t, string(offer)))
			if !ok {
				t.Fatalf("%+v declines %s", server, offer)
			}
			q, agreed, err := client.CheckAnswer(answerWith(t, string(answer)))
			if err != nil || !agreed {
				t.Fatalf("%s answered with %s: %v", offer, answer, err)
			}
			// What a side does without being asked, the other cannot know.
			if p.ServerNoContextTakeover != q.ServerNoContextTakeover || !p.ClientNoContextTakeover && q.ClientNoContextTakeover ||
				p.ServerMaxWindowBits > q.ServerMaxWindowBits || q.ClientMaxWindowBits > p.ClientMaxWindowBits {
				t.Errorf("%s answered with %s: server has %+v, client %+v", offer, answer, p, q)
			}
			if !q.ServerNoContextTakeover && int(q.ServerMaxWindowBits) > windowBits(client.ServerMaxWindowBits) ||
				!p.ClientNoContextTakeover && int(p.ClientMaxWindowBits) > windowBits(server.ClientMaxWindowBits) {
				t.Errorf("%s answered with %s: a window is larger than wanted", offer, answer)
			}
		}
	}
}

func TestDeflateOptionsCheck(t *testing.T) {
	for bits, valid := range map[int]bool{-1: false, 0: true, 7: false, 8: true, 15: true, 16: false} {
		for _, o := range []DeflateOptions{{ServerMaxWindowBits: bits}, {ClientMaxWindowBits: bits}} {
			err := o.Check()
			var config *ConfigError
			if (err == nil) != valid || err != nil && !errors.As(err, &config) {
				t.Errorf("%+v: %v", o, err)
			}
		}
	}
}

func TestDeflateNoAllocation(t *testing.T) {
	o := &DeflateOptions{}
	var dst [128]byte
	for _, offer := range []string{"", "mux", deflateName + "; " + clientBits + "=10; " + serverBits + "=9"} {
		var offers []Extension
		if offer != "" {
			offers = offersOf(t, offer)
		}
		if n := testing.AllocsPerRun(100, func() { o.Accept(dst[:0], offers) }); n != 0 {
			t.Errorf("%q costs %v allocations", offer, n)
		}
	}
}
