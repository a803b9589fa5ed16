package handshake

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec/codectest"
)

// sampleKey is the key of RFC 6455 section 1.3.
var sampleKey = NewKey([16]byte([]byte("the sample nonce")))

// The events that a case of testdata/answer may want:
//
//	more                     the head is not complete
//	open [protocol "name"]   the answer opens the connection
//	status N                 a status that is not 101
//	malformed, too-large, mismatch
//	rest BYTES               what follows the head, as a byte expression
//
// and its options: offer (subprotocols, comma-separated), head-bytes, line-bytes and
// header-count. The key is that of RFC 6455 section 1.3.
func TestAnswerVectors(t *testing.T) {
	cases := codectest.Load(t, "testdata/answer")
	if len(cases) < 130 {
		t.Errorf("only %d cases", len(cases))
	}
	for i := range cases {
		c := &cases[i]
		t.Run(c.Name, func(t *testing.T) {
			v := newAnswerVector(t, c)
			var a Answer
			for lengths := range codectest.Cuts(len(c.In), len(c.In)/2) {
				a.Reset()
				v.run(t, &a, lengths)
				if t.Failed() {
					t.Fatalf("%s cut as %v", c, lengths)
				}
			}
		})
	}
}

type answerVector struct {
	*codectest.Case
	prepared *Prepared
	limits   Limits
	rest     []byte
	failed   int // Scanned of the first run
}

func newAnswerVector(t testing.TB, c *codectest.Case) *answerVector {
	v := &answerVector{Case: c, failed: -1}
	var err error
	if v.prepared, err = Prepare(Opening{Target: "/", Host: "a", Subprotocols: listOption(c, "offer")}); err != nil {
		t.Fatal(err)
	}
	for option, limit := range map[string]*int{
		"head-bytes": &v.limits.HeadBytes, "line-bytes": &v.limits.LineBytes, "header-count": &v.limits.HeaderCount,
	} {
		if text := c.Options[option]; text != "" {
			if *limit, err = strconv.Atoi(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, want := range c.Want {
		expr, found := strings.CutPrefix(want, "rest ")
		if found != (i > 0) {
			t.Fatalf("%s: event %s stands in the wrong place", c, want)
		}
		if found {
			if v.rest, err = codectest.Bytes(expr); err != nil {
				t.Fatal(err)
			}
		}
	}
	return v
}

// run feeds the input in pieces, in memory that moves with every piece.
func (v *answerVector) run(t *testing.T, a *Answer, lengths []int) {
	var head []byte
	var n int
	var err error
	for piece := range codectest.Pieces(v.In, lengths) {
		old := head
		head = append(slices.Clip(slices.Clone(old)), piece...)
		for i := range old {
			old[i] = 0xdb
		}
		if n, err = a.Parse(head, &v.limits); n > 0 || err != nil {
			break
		}
	}
	if got := v.outcome(a, n, err); got != v.Want[0] {
		t.Errorf("got %s (%v), want %s", got, err, v.Want[0])
	}
	if v.failed < 0 {
		v.failed = a.Scanned()
	}
	if v.failed != a.Scanned() {
		t.Errorf("scanned %d bytes, whole %d", a.Scanned(), v.failed)
	}
	again, errAgain := a.Parse(head, &v.limits)
	if again != n || errAgain != err {
		t.Errorf("Parse gave %d, %v, then %d, %v", n, err, again, errAgain)
	}
	// After a refusal the connection ends, and what follows is nobody's.
	if strings.HasPrefix(v.Want[0], "open") && !bytes.Equal(v.In[n:], v.rest) {
		t.Errorf("rest %q, want %q", v.In[n:], v.rest)
	}
}

func (v *answerVector) outcome(a *Answer, n int, err error) string {
	if n == 0 && err == nil {
		return "more"
	}
	protocol := ""
	if err == nil {
		protocol, err = v.prepared.Check(a, &sampleKey)
	}
	fault, _ := errors.AsType[*AnswerError](err)
	switch {
	case err == nil && protocol != "":
		return fmt.Sprintf("open protocol %q", protocol)
	case err == nil:
		return "open"
	case errors.Is(err, ErrAnswerStatus):
		return fmt.Sprint("status ", fault.Status)
	case errors.Is(err, ErrAnswerMalformed):
		return "malformed"
	case errors.Is(err, ErrAnswerTooLarge):
		return "too-large"
	case errors.Is(err, ErrAnswerMismatch):
		return "mismatch"
	}
	return err.Error()
}
