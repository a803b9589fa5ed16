package handshake

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec/codectest"
)

// The events a case may want:
//
//	more                       the head is not complete
//	plain                      a valid request that does not ask for a WebSocket
//	switch [protocol "name"]   101
//	refuse N                   the HTTP status of the refusal
//	rest BYTES                 what follows the head, as a byte expression
//	accept, host, path, query  what the request says or is answered, quoted
//	extension "a; b=c"         one for each extension offered, in order
//
// and its options: protocols and origins (comma-separated), secure (yes), head-bytes,
// line-bytes and header-count.
func TestVectors(t *testing.T) {
	cases := codectest.Load(t, "testdata")
	for i := range cases {
		c := &cases[i]
		t.Run(c.Name, func(t *testing.T) {
			v := newVector(t, c)
			var r Request
			for lengths := range codectest.Cuts(len(c.In)) {
				r.Reset()
				v.run(t, &r, lengths)
				if t.Failed() {
					t.Fatalf("%s cut as %v", c, lengths)
				}
			}
		})
	}
}

type vector struct {
	*codectest.Case
	policy Policy
	limits Limits
	rest   []byte
	failed int // Scanned of the first run
}

func newVector(t testing.TB, c *codectest.Case) *vector {
	v := &vector{Case: c, failed: -1}
	if len(c.Want) == 0 {
		t.Fatalf("%s wants nothing", c)
	}
	var err error
	if v.policy.Origins, err = ParseOrigins(listOption(c, "origins")...); err != nil {
		t.Fatal(err)
	}
	v.policy.Subprotocols = listOption(c, "protocols")
	v.policy.Secure = c.Options["secure"] == "yes"
	for option, limit := range map[string]*int{
		"head-bytes": &v.limits.HeadBytes, "line-bytes": &v.limits.LineBytes, "header-count": &v.limits.HeaderCount,
	} {
		if text := c.Options[option]; text != "" {
			if *limit, err = strconv.Atoi(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, want := range c.Want {
		if expr, found := strings.CutPrefix(want, "rest "); found {
			if v.rest, err = codectest.Bytes(expr); err != nil {
				t.Fatal(err)
			}
		}
	}
	return v
}

func listOption(c *codectest.Case, name string) []string {
	if c.Options[name] == "" {
		return nil
	}
	return strings.Split(strings.ReplaceAll(c.Options[name], " ", ""), ",")
}

// run feeds the input in pieces, in memory that moves with every piece.
func (v *vector) run(t *testing.T, r *Request, lengths []int) {
	var head []byte
	var n int
	var err error
	for piece := range codectest.Pieces(v.In, lengths) {
		old := head
		head = append(slices.Clip(slices.Clone(old)), piece...)
		for i := range old {
			old[i] = 0xdb
		}
		if n, err = r.Parse(head, &v.limits); n > 0 || err != nil {
			break
		}
	}
	v.checkOutcome(t, r, n, err)
	if err != nil && v.failed < 0 {
		v.failed = r.Scanned()
	}
	if err != nil && v.failed != r.Scanned() {
		t.Errorf("failed after %d bytes, whole after %d", r.Scanned(), v.failed)
	}
	if n > 0 {
		if again, err := r.Parse(head, &v.limits); again != n || err != nil {
			t.Errorf("Parse of a complete head gave %d, %v, then %d", again, err, n)
		}
		// After a refusal the connection ends, and what follows is nobody's.
		if !strings.HasPrefix(v.Want[0], "refuse") && !bytes.Equal(v.In[n:], v.rest) {
			t.Errorf("rest %q, want %q", v.In[n:], v.rest)
		}
	} else if err != nil {
		if _, again := r.Parse(v.In, &v.limits); again != err {
			t.Errorf("error %v, then %v", err, again)
		}
	}
}

func (v *vector) checkOutcome(t *testing.T, r *Request, n int, err error) {
	got, a := "more", Acceptance{}
	if n > 0 {
		got = "plain"
		if r.IsUpgrade() {
			if a, err = Accept(r, &v.policy); err == nil {
				got = "switch"
			}
		}
	}
	if err != nil {
		got = fmt.Sprint("refuse ", err.(*Error).Status)
	}
	if a.Subprotocol != "" {
		got = fmt.Sprintf("switch protocol %q", a.Subprotocol)
	}
	extensions := a.Extensions
	for i, want := range v.Want {
		key, _, _ := strings.Cut(want, " ")
		switch key {
		case "rest":
			continue
		case "accept":
			got = fmt.Sprintf("accept %q", a.accept)
		case "host":
			got = fmt.Sprintf("host %q", r.Host())
		case "path":
			got = fmt.Sprintf("path %q", r.Path())
		case "query":
			got = fmt.Sprintf("query %q", r.Query())
		case "extension":
			if len(extensions) == 0 {
				t.Fatalf("no extension left for %s", want)
			}
			got = fmt.Sprintf("extension %q", format(extensions[0]))
			extensions = extensions[1:]
		default:
			if i > 0 {
				t.Fatalf("event %s is unknown or not the first", want)
			}
		}
		if got != want {
			t.Errorf("got %s (%v), want %s", got, err, want)
		}
	}
	if slices.ContainsFunc(v.Want, func(w string) bool { return strings.HasPrefix(w, "extension") }) && len(extensions) > 0 {
		t.Errorf("%d extensions more than wanted", len(extensions))
	}
}

func format(e Extension) string {
	s := string(e.Name)
	for _, p := range e.Params {
		s += "; " + string(p.Name)
		if p.Value != nil {
			s += "=" + string(p.Value)
		}
	}
	return s
}
