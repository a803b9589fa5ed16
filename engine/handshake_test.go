package engine

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/codec/codectest"
	"github.com/wsloop/wsloop/handshake"
)

// headVector is a case of handshake/testdata as a server meets it.
type headVector struct {
	*codectest.Case
	outcome  string   // more, plain, switch, refuse
	status   int      // of the response; 0 when there is none
	fields   []string // lines that the response has
	request  []string // what the callbacks see of the request, as the case writes it
	protocol string
	rest     []byte
}

// loadHeads returns the cases by the configuration that they need: those that can be played with TLS, or without.
func loadHeads(t testing.TB, secure bool) map[string][]*headVector {
	cases := codectest.Load(t, "../handshake/testdata")
	all, left := make(map[string][]*headVector), 0
	for i := range cases {
		c := &cases[i]
		if secure && ownHTTP(c) || !secure && c.Options["secure"] != "" {
			left++
			continue
		}
		var config []string
		for _, option := range []string{"protocols", "origins", "head-bytes", "line-bytes", "header-count"} {
			config = append(config, strings.ReplaceAll(c.Options[option], " ", ""))
		}
		key := strings.Join(config, "|")
		all[key] = append(all[key], newHeadVector(t, c))
	}
	t.Logf("%d cases; %d more are not for secure = %t", len(cases)-left, left, secure)
	if len(cases) < 400 {
		t.Errorf("only %d cases", len(cases))
	}
	return all
}

// ownHTTP says whether a page that came without TLS is welcome because it is of the server's own host. With TLS it is not.
func ownHTTP(c *codectest.Case) bool {
	return c.Options["origins"] == "" && strings.HasPrefix(c.Want[0], "switch") &&
		bytes.Contains(bytes.ToLower(c.In), []byte("\norigin: http://"))
}

func newHeadVector(t testing.TB, c *codectest.Case) *headVector {
	v := &headVector{Case: c}
	for _, want := range c.Want {
		kind, rest, _ := strings.Cut(want, " ")
		switch kind {
		case "more":
			v.outcome = kind
		case "plain":
			v.outcome, v.status = kind, 200
		case "refuse":
			v.outcome = kind
			fmt.Sscan(rest, &v.status)
		case "switch":
			v.outcome, v.status = kind, 101
			fmt.Sscanf(rest, "protocol %q", &v.protocol)
		case "accept":
			var accept string
			fmt.Sscanf(rest, "%q", &accept)
			v.fields = append(v.fields, "Sec-WebSocket-Accept: "+accept)
		case "host", "path", "query":
			v.request = append(v.request, want)
		case "rest":
			v.rest = byteExpression(t, rest)
		case "extension": // the engine hands no offer up and agrees to none; see check
		default:
			t.Fatalf("%v: unknown event %s", c, want)
		}
	}
	if v.protocol != "" {
		v.fields = append(v.fields, "Sec-WebSocket-Protocol: "+v.protocol)
	}
	return v
}

// headServer has the configuration of a key of loadHeads, and reports the requests it sees.
func headServer(t testing.TB, config string, seen func(*handshake.Request)) *Server {
	options := strings.Split(config, "|")
	list := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
	}
	return &Server{
		Subprotocols: list(options[0]), Origins: list(options[1]), MaxHeadBytes: int(number(t, options[2], 0)),
		MaxHeaderLine: int(number(t, options[3], 0)), MaxHeaders: int(number(t, options[4], 0)),
		HandshakeTimeout: never, CloseTimeout: never, Loops: 1,
		Events: Events{
			Upgrade: func(_ Conn, r *handshake.Request, _ *handshake.Response) { seen(r) },
			Plain:   func(r *handshake.Request, _ *Page) { seen(r) },
			Message: echo,
		},
	}
}

// TestHeadsInMemory runs every case in every cut, exactly as cut.
func TestHeadsInMemory(t *testing.T) {
	for config, vectors := range loadHeads(t, false) {
		var v *headVector
		seen := 0
		m := newMemory(t, headServer(t, config, func(r *handshake.Request) {
			seen++
			v.checkRequest(t, r)
		}))
		for _, v = range vectors {
			for lengths := range codectest.Cuts(len(v.In)) {
				before := seen
				c := m.accept()
				for piece := range codectest.Pieces(v.In, lengths) {
					m.data(c, piece)
				}
				if over := v.outcome == "plain" || v.outcome == "refuse"; over && !m.over(c) {
					t.Errorf("%v: not ended after the response", v)
				}
				m.eof(c)
				if !m.gone(c) {
					t.Errorf("%v: open after FIN", v)
				}
				if called := v.outcome == "plain" || v.outcome == "switch"; called != (seen == before+1) {
					t.Errorf("%v: %d callbacks", v, seen-before)
				}
				v.check(t, m.take(c))
				if t.Failed() {
					t.Fatalf("%v cut %s", v, brief(lengths))
				}
			}
		}
	}
}

func (v *headVector) checkRequest(t testing.TB, r *handshake.Request) {
	for _, want := range v.request {
		got := map[string][]byte{"host": r.Host(), "path": r.Path(), "query": r.Query()}
		kind, _, _ := strings.Cut(want, " ")
		if event := fmt.Sprintf("%s %q", kind, got[kind]); event != want {
			t.Errorf("%v: %s, want %s", v, event, want)
		}
	}
}

// check compares what the server sent with what is wanted: status, fields, and the echo of frames
// that came with the head.
func (v *headVector) check(t testing.TB, sent []byte) {
	t.Helper()
	if v.status == 0 {
		if len(sent) > 0 {
			t.Errorf("%v: sent %q to a head that is not complete", v, sent)
		}
		return
	}
	response, rest, found := bytes.Cut(sent, []byte("\r\n\r\n"))
	status, fields, _ := strings.Cut(string(response), "\r\n")
	if !found || !strings.HasPrefix(status, fmt.Sprintf("HTTP/1.1 %d ", v.status)) {
		t.Errorf("%v: sent %.200q, want status %d", v, sent, v.status)
	}
	for _, want := range v.fields {
		if !slices.Contains(strings.Split(fields, "\r\n"), want) {
			t.Errorf("%v: fields %q, want %q", v, fields, want)
		}
	}
	if strings.Contains(fields, "Sec-WebSocket-Extensions") || v.protocol == "" && strings.Contains(fields, "Sec-WebSocket-Protocol") {
		t.Errorf("%v: agreed to what nobody wants: %q", v, fields)
	}
	if v.status == 101 {
		v.checkRest(t, rest)
	}
}

// checkRest expects an echo where frames followed the head, and a failure where something else did.
func (v *headVector) checkRest(t testing.TB, sent []byte) {
	all, err := frames(sent)
	switch {
	case err != nil:
		t.Errorf("%v: %v", v, err)
	case len(v.rest) == 0:
		if len(all) > 0 {
			t.Errorf("%v: sent %v unasked", v, all)
		}
	case v.rest[0] == 0x81:
		if len(all) != 1 || all[0].op != codec.OpcodeText || string(all[0].payload) != "Hello" {
			t.Errorf("%v: sent %v, want the echo of Hello", v, all)
		}
	default:
		if len(all) != 1 || all[0].op != codec.OpcodeClose || code(all[0].payload) != codec.StatusProtocolError {
			t.Errorf("%v: sent %v, want close 1002", v, all)
		}
	}
}

// TestHeadsOverTCP runs every case whole, byte by byte, and cut in the middle.
func TestHeadsOverTCP(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			for config, vectors := range loadHeads(t, tr.version != 0) {
				playHeads(t, &tr, config, vectors)
			}
		})
	}
}

// playHeads runs cases that have their configuration in common.
func playHeads(t *testing.T, tr *transport, config string, vectors []*headVector) {
	s, dial := tr.serve(t, headServer(t, config, func(*handshake.Request) {}))
	jobs := make(chan func())
	var workers sync.WaitGroup
	for range 4 * runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for run := range jobs {
				run()
			}
		})
	}
	for _, v := range vectors {
		n := len(v.In)
		for _, lengths := range [][]int{{n}, slices.Repeat([]int{1}, n), {n / 2, n - n/2}} {
			jobs <- func() { v.run(t, dial, lengths) }
		}
	}
	close(jobs)
	workers.Wait()
	s.stop()
}

func (v *headVector) run(t testing.TB, dial func() (halfCloser, error), lengths []int) {
	conn, err := dial()
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	for piece := range codectest.Pieces(v.In, lengths) {
		if _, err := conn.Write(piece); err != nil {
			t.Errorf("%v: %v", v, err)
			return
		}
	}
	if v.outcome == "more" || v.outcome == "switch" {
		conn.CloseWrite()
	}
	sent, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		t.Errorf("%v: %v", v, err)
	}
	v.check(t, sent)
}
