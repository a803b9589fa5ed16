package gnetdriver_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/codec/codectest"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/handshake"
)

// A job is a case of the conformance vectors, cut in some way.
type job struct {
	*codectest.Case
	lengths []int
}

// jobsOf takes each case whole and byte by byte, those together that need the same options.
func jobsOf(cases []codectest.Case, options ...string) map[string][]job {
	jobs := make(map[string][]job)
	for i := range cases {
		c := &cases[i]
		key := ""
		for _, option := range options {
			key += c.Options[option] + "|"
		}
		n := len(c.In)
		jobs[key] = append(jobs[key], job{c, []int{n}}, job{c, slices.Repeat([]int{1}, n)})
	}
	return jobs
}

// wsaConnReset is what Windows reports; syscall.ECONNRESET is another number there.
const wsaConnReset = syscall.Errno(10054)

// play sends bytes before those of the case, those as they are cut, and FIN unless the server is to end the
// connection. It returns what the server sent.
func (j job) play(t *testing.T, s *running, before string, ends bool) []byte {
	c := s.dial(t)
	defer c.Close()
	if _, err := io.WriteString(c, before); err != nil {
		t.Errorf("%v: %v", j, err)
	}
	for piece := range codectest.Pieces(j.In, j.lengths) {
		if _, err := c.Write(piece); err != nil {
			break // the server may have ended the connection
		}
	}
	if !ends {
		if err := c.CloseWrite(); err != nil {
			t.Errorf("%v: %v", j, err)
		}
	}
	sent, err := io.ReadAll(c)
	if err != nil && !(ends && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, wsaConnReset))) {
		t.Errorf("%v: %v after %.300q", j, err, sent)
	}
	return sent
}

// TestFrameVectors has an echo server meet what codec/testdata has for servers.
func TestFrameVectors(t *testing.T) {
	cases := slices.DeleteFunc(codectest.Load(t, "../../codec/testdata"), func(c codectest.Case) bool {
		return c.Options["role"] == "client"
	})
	t.Logf("%d cases", len(cases))
	for limits, jobs := range jobsOf(cases, "limit-message", "limit-fragments") {
		limit := strings.Split(limits, "|")
		s := serve(t, &engine.Server{
			MaxMessageBytes:  number(t, limit[0], math.MaxInt64),
			MaxFragments:     int(number(t, limit[1], math.MaxUint32)),
			MaxBufferedBytes: math.MaxInt32, HandshakeTimeout: time.Hour, CloseTimeout: time.Hour,
			Events: engine.Events{Message: echo},
		})
		many(len(jobs), func(i int) {
			j := jobs[i]
			want, ends := j.answers(t)
			sent := j.play(t, s, hello, ends)
			_, sent, _ = bytes.Cut(sent, []byte("\r\n\r\n"))
			got := frames(sent)
			if !pongsInTurn {
				isPong := func(f string) bool { return strings.HasPrefix(f, "pong ") }
				got, want = slices.DeleteFunc(got, isPong), slices.DeleteFunc(want, isPong)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%v cut %.40v: sent %.300q\nwant %.300q", j.Case, j.lengths, got, want)
			}
		})
		s.stop()
	}
}

// answers is what an echo server is to send, and whether it ends the connection.
func (j job) answers(t *testing.T) (frames []string, ends bool) {
	for _, want := range j.Want {
		kind, rest, _ := strings.Cut(want, " ")
		op := map[string]codec.Opcode{"text": codec.OpcodeText, "binary": codec.OpcodeBinary, "ping": codec.OpcodePong}[kind]
		switch kind {
		case "text", "binary", "ping":
			payload, err := codectest.Bytes(rest)
			if err != nil {
				t.Errorf("%v: %v", j, err)
			}
			frames = append(frames, frame{op, payload}.String())
		case "close", "fail":
			code, _, _ := strings.Cut(rest, " ")
			frames, ends = append(frames, "close "+code), true
		}
	}
	return frames, ends
}

// frames splits what a server sent.
func frames(b []byte) (all []string) {
	for in := bytes.NewReader(b); in.Len() > 0; {
		f, err := readFrame(in)
		if err != nil {
			return append(all, err.Error())
		}
		all = append(all, f.String())
	}
	return all
}

func number(t *testing.T, s string, otherwise int64) int64 {
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestHandshakeVectors has a server meet the request heads of handshake/testdata.
func TestHandshakeVectors(t *testing.T) {
	cases := slices.DeleteFunc(codectest.Load(t, "../../handshake/testdata"), func(c codectest.Case) bool {
		return c.Options["secure"] != ""
	})
	t.Logf("%d cases", len(cases))
	list := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
	}
	for config, jobs := range jobsOf(cases, "protocols", "origins", "head-bytes", "line-bytes", "header-count") {
		options := strings.Split(config, "|")
		s := serve(t, &engine.Server{
			Subprotocols: list(options[0]), Origins: list(options[1]), MaxHeadBytes: int(number(t, options[2], 0)),
			MaxHeaderLine: int(number(t, options[3], 0)), MaxHeaders: int(number(t, options[4], 0)),
			HandshakeTimeout: time.Hour, CloseTimeout: time.Hour,
			Events: engine.Events{Message: echo, Plain: func(*handshake.Request, *engine.Page) {}},
		})
		many(len(jobs), func(i int) {
			j := jobs[i]
			first, ends := j.response()
			sent := string(j.play(t, s, "", ends))
			if first == "" && sent != "" || !strings.HasPrefix(sent, first) {
				t.Errorf("%v cut %.40v: sent %.300q, want %q", j.Case, j.lengths, sent, first)
			}
			if fields := j.fields(); !strings.Contains(sent, fields) {
				t.Errorf("%v cut %.40v: sent %.300q, want %q", j.Case, j.lengths, sent, fields)
			}
		})
		s.stop()
	}
}

// response is how the answer begins, "" if there is to be none, and whether the server ends the connection.
func (j job) response() (first string, ends bool) {
	for _, want := range j.Want {
		kind, rest, _ := strings.Cut(want, " ")
		switch kind {
		case "plain":
			return "HTTP/1.1 200 ", true
		case "refuse":
			status, _, _ := strings.Cut(rest, " ")
			return fmt.Sprintf("HTTP/1.1 %s ", status), true
		case "switch":
			return "HTTP/1.1 101 ", false
		}
	}
	return "", false
}

// fields is what the answer to an upgrade proves.
func (j job) fields() string {
	for _, want := range j.Want {
		var accept string
		if n, _ := fmt.Sscanf(want, "accept %q", &accept); n == 1 {
			return "Sec-WebSocket-Accept: " + accept
		}
	}
	return ""
}
