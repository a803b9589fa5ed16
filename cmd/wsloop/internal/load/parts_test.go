package load

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/wsloop/wsloop/codec"
)

func TestFifo(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	var f fifo
	var model []stamp
	for i := range int64(10_000) {
		switch r.IntN(5) {
		case 0, 1, 2:
			f.push(stamp{i, -i})
			model = append(model, stamp{i, -i})
		case 3:
			s, ok := f.pop()
			if ok != (len(model) > 0) || ok && s != model[0] {
				t.Fatalf("popped %v %v", s, ok)
			}
			model = model[min(1, len(model)):]
		case 4:
			if len(model) > 0 {
				f.unpush()
				model = model[:len(model)-1]
			}
		}
		if f.len() != len(model) {
			t.Fatalf("%d, want %d", f.len(), len(model))
		}
	}
	var none *fifo
	if _, ok := none.pop(); ok || none.len() != 0 {
		t.Error("nil is not empty")
	}
}

func TestFiller(t *testing.T) {
	t.Parallel()
	for size := range 200 {
		for _, text := range []bool{false, true} {
			b := filler(size, text)
			if len(b) != size || text && !utf8.Valid(b) {
				t.Errorf("%d bytes, text %v: %q", size, text, b)
			}
		}
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	m := newMessage(&Config{Size: 4})
	for _, wrong := range [][]byte{nil, m.payload[1:], append([]byte{m.payload[0] + 1}, m.payload[1:]...), append(append([]byte{}, m.payload[:3]...), m.payload[3]+1)} {
		if m.matches(codec.OpcodeBinary, wrong) {
			t.Errorf("%q matches %q", wrong, m.payload)
		}
	}
	if !m.matches(codec.OpcodeBinary, m.payload) || m.matches(codec.OpcodeText, m.payload) {
		t.Error("the echo does not match, or a text does")
	}
	if empty := newMessage(&Config{Text: true}); !empty.matches(codec.OpcodeText, nil) {
		t.Error("nothing does not match nothing")
	}
}

func TestStamps(t *testing.T) {
	t.Parallel()
	for _, text := range []bool{false, true} {
		for size := range 40 {
			b := filler(size, text)
			putStamp(b, text, stamp{1795259398123456789, 17})
			s, ok := readStamp(b, text)
			one := (&Config{Text: text}).stampBytes()
			want := stamp{1795259398123456789, 17}
			if size < 2*one {
				want.sent = math.MinInt64
			}
			if ok != (size >= one) || ok && s != want {
				t.Errorf("%d bytes, text %v: %v %v", size, text, s, ok)
			}
			if text && !utf8.Valid(b) {
				t.Errorf("%d bytes: %q", size, b)
			}
		}
	}
	if _, ok := readStamp([]byte("0123456789abcdeF"), true); ok {
		t.Error("what is no number was read")
	}
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	even := evenly(1000, 3)
	if even.due(0) != 1000 || even.due(3) != 1000+int64(time.Second) || even.due(1) != 1000+333333333 {
		t.Errorf("%d %d %d", even.due(0), even.due(1), even.due(3))
	}
	s := scattered(0, 10, 7)
	for k := range 70 {
		if s.due(k+1) < s.due(k) {
			t.Fatalf("%d is due before %d", k+1, k)
		}
		if got := s.due(k+7) - s.due(k); got != int64(100*time.Millisecond) {
			t.Fatalf("a round of %d", got)
		}
	}
	if s.due(6) >= int64(100*time.Millisecond) || s.due(0) == s.due(6) {
		t.Error("phases are not of one round")
	}
}

func TestDrawn(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]int{0: 0, 0.1: 100, 0.01: 10, 0.333: 333, 1: 1000} {
		n := 0
		for i := range 1000 {
			if drawn(i, share) {
				n++
			}
		}
		if n != want || drawn(0, 0.5) {
			t.Errorf("%v of 1000: %d", share, n)
		}
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(c *Config){
		"no URL":         func(c *Config) { c.URLs = nil },
		"-src":           func(c *Config) { c.Unix, c.Sources = "/s", make([]netip.Addr, 1) },
		"none of":        func(c *Config) { c.Scenario = "storm" },
		"-c is negative": func(c *Config) { c.Connections = -1 },
		"-rate is":       func(c *Config) { c.Rate = math.NaN() },
		"exclude":        func(c *Config) { c.Rate, c.Outstanding = 1, 1 },
		"churn":          func(c *Config) { c.Scenario, c.Rate = Churn, 1 },
		"UTF-8":          func(c *Config) { c.Text, c.Payload = true, []byte{0xff} },
		"takes 8 bytes":  func(c *Config) { c.Scenario, c.Size = Broadcast, 7 },
		"inside a character": func(c *Config) {
			c.Scenario, c.Text, c.Payload = Broadcast, true, []byte("123456789012345é")
		},
		"takes 16 bytes": func(c *Config) { c.Scenario, c.Size, c.Text = Slow, 15, true },
		"-fragments":     func(c *Config) { c.Fragments = 1 },
		"512 MiB":        func(c *Config) { c.Size = 1 << 30 },
		"100% at most":   func(c *Config) { c.Active = 1.5 },
	} {
		c := small("ws://localhost/")
		change(&c)
		if err := c.Complete(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestRedacted(t *testing.T) {
	t.Parallel()
	if got := Redacted("ws://h/p?token=1"); got != "ws://h/p?***" {
		t.Error(got)
	}
	if got := Redacted("ws://h/p"); got != "ws://h/p" {
		t.Error(got)
	}
}
