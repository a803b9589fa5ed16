package codec

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec/codectest"
)

// TestConformance runs every vector of testdata, cut in every way, through both ways of receiving.
func TestConformance(t *testing.T) {
	cases := codectest.Load(t, "testdata")
	if len(cases) < 260 {
		t.Errorf("only %d cases in testdata", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if c.RFC == "" {
				t.Errorf("%v names no section of the RFC", &c)
			}
			setup, want := parseSetup(t, &c), wantedEvents(t, &c)
			runVector(t, &c, setup, want)
			if t.Failed() {
				t.Logf("%v: in % x", &c, c.In[:min(len(c.In), 64)])
			}
		})
	}
}

func runVector(t *testing.T, c *codectest.Case, s setup, want []string) {
	for name, newReceiver := range receivers {
		place := int64(-1) // of the failure, which does not depend on the pieces
		for lengths := range codectest.Cuts(len(c.In), frameStarts(c.In)...) {
			r := newReceiver(s)
			consumed := feed(r, codectest.Pieces(c.In, lengths))
			got := r.log()
			if !slices.Equal(got.events, want) {
				t.Fatalf("%s, cut %v: got %s\nwant %s", name, brief(lengths), clip(got.events), clip(want))
			}
			if place < 0 {
				place = got.failedAt
			}
			if got.failedAt != place {
				t.Fatalf("%s, cut %v: failure at byte %d, whole at %d", name, brief(lengths), got.failedAt, place)
			}
			if s.failAt > 0 && name == "assembler" && len(lengths) == len(c.In) && consumed != s.failAt {
				t.Fatalf("the failure was reported after %d bytes, not after %d", consumed, s.failAt)
			}
		}
		// Where something is missing, the place is the end; else it is the last byte that was needed.
		if s.failAt > 0 && place != int64(s.failAt) && place != int64(s.failAt-1) {
			t.Errorf("%s: failure at byte %d, expected after %d bytes", name, place, s.failAt)
		}
	}
}

// setup is what the options of a case say.
type setup struct {
	role    Role
	deflate bool // permessage-deflate was agreed
	limits  Limits
	failAt  int
}

func parseSetup(t testing.TB, c *codectest.Case) (s setup) {
	for key, value := range c.Options {
		n, err := strconv.Atoi(value)
		switch key {
		case "role":
			s.role, err = map[string]Role{"server": RoleServer, "client": RoleClient}[value], nil
		case "limit-message":
			s.limits.MessageBytes = uint64(n)
		case "limit-fragments":
			s.limits.Fragments = uint32(n)
		case "fail-at":
			s.failAt = n
		default:
			t.Errorf("%v: unknown option %s", c, key)
		}
		if err != nil {
			t.Errorf("%v: %s: %v", c, key, err)
		}
	}
	return s
}

// wantedEvents brings the want lines of a case into the form that a receiver logs.
func wantedEvents(t testing.TB, c *codectest.Case) (events []string) {
	for i, want := range c.Want {
		kind, rest, _ := strings.Cut(want, " ")
		switch kind {
		case "text", "binary", "ping", "pong":
			events = append(events, payloadEvent(kind, byteExpression(t, c, rest)))
		case "close":
			code, reason, _ := strings.Cut(rest, " ")
			events = append(events, closeEvent(number(t, c, code), byteExpression(t, c, reason)))
		case "fail":
			events = append(events, failEvent(number(t, c, rest)))
			if i != len(c.Want)-1 {
				t.Errorf("%v: an event after %s", c, want)
			}
		default:
			t.Errorf("%v: unknown event %s", c, want)
		}
	}
	return events
}

func byteExpression(t testing.TB, c *codectest.Case, expr string) []byte {
	b, err := codectest.Bytes(expr)
	if err != nil {
		t.Errorf("%v: %v", c, err)
	}
	return b
}

func number(t testing.TB, c *codectest.Case, s string) StatusCode {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		t.Errorf("%v: %v", c, err)
	}
	return StatusCode(n)
}

// payloadEvent names long payloads by their hash, since every vector is logged many times.
func payloadEvent(kind string, payload []byte) string {
	if len(payload) > 1000 {
		return fmt.Sprintf("%s of %d bytes, %x", kind, len(payload), sha256.Sum256(payload))
	}
	return fmt.Sprintf("%s %q", kind, payload)
}

func closeEvent(code StatusCode, reason []byte) string {
	return fmt.Sprintf("close %d %q", uint16(code), reason)
}

func failEvent(code StatusCode) string { return fmt.Sprintf("fail %d", uint16(code)) }

// frameStarts finds where frames begin, as far as the headers can be read.
func frameStarts(in []byte) (starts []int) {
	for at := 0; at < len(in); {
		starts = append(starts, at)
		h, n, err := ParseHeader(in[at:])
		if err != nil || n == 0 || h.PayloadLen > uint64(len(in)) {
			break
		}
		at += n + int(h.PayloadLen)
	}
	return starts
}

func brief(lengths []int) any {
	if len(lengths) > 2 {
		return "byte by byte"
	}
	return lengths
}

func clip(events []string) string {
	s := fmt.Sprint(events)
	if len(s) > 400 {
		return s[:400] + "..."
	}
	return s
}
