package hdr

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

func text(h *Histogram) string {
	b, err := json.Marshal(h)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// same compares by the encoded form, but for the rounding of the sum.
func same(a, b *Histogram) bool {
	sum := max(a.sum, b.sum) - min(a.sum, b.sum)
	x, y := *a, *b
	x.sum, y.sum = 0, 0
	return sum <= a.sum*1e-9 && text(&x) == text(&y)
}

func TestJSONRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 200 {
		h := recorded(samples(r, i))
		got := recorded([]time.Duration{time.Hour}) // to be replaced
		if err := json.Unmarshal([]byte(text(h)), got); err != nil {
			t.Fatalf("%v: %s", err, text(h))
		}
		if text(got) != text(h) {
			t.Fatalf("wrote %s\nread  %s", text(h), text(got))
		}
	}
}

func TestJSONForm(t *testing.T) {
	h := recorded([]time.Duration{1, 1, 5, 1000})
	want := `{"count":4,"min":1,"p50":1,"p90":1000,"p99":1000,"p999":1000,"p9999":1000,"max":1000,"sum":1007,"buckets":[2,2,4,1,312,1]}`
	if got := text(h); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := text(new(Histogram)); got != `{"count":0}` {
		t.Errorf("empty: %s", got)
	}
}

func TestInvalidJSON(t *testing.T) {
	for name, in := range map[string]string{
		"no count of a bucket": `{"count":1,"min":1,"max":1,"sum":1,"buckets":[2]}`,
		"bucket twice":         `{"count":2,"min":1,"max":1,"sum":2,"buckets":[2,1,0,1]}`,
		"beyond the last":      `{"count":1,"min":1,"max":1,"sum":1,"buckets":[3713,1]}`,
		"far beyond the last":  `{"count":1,"min":1,"max":1,"sum":1,"buckets":[18446744073709551615,1]}`,
		"empty bucket":         `{"count":0,"buckets":[2,0]}`,
		"counts overflow":      `{"count":1,"min":1,"max":2,"sum":1,"buckets":[2,18446744073709551615,1,2]}`,
		"count too small":      `{"count":1,"min":1,"max":1,"sum":1,"buckets":[2,2]}`,
		"count without bucket": `{"count":1,"min":1,"max":1,"sum":1}`,
		"min elsewhere":        `{"count":1,"min":2,"max":1,"sum":1,"buckets":[2,1]}`,
		"max elsewhere":        `{"count":1,"min":1,"max":2,"sum":1,"buckets":[2,1]}`,
		"min above max":        `{"count":2,"min":201,"max":200,"sum":400,"buckets":[165,2]}`,
		"sum too small":        `{"count":2,"min":1,"max":1,"sum":1,"buckets":[2,2]}`,
		"sum too great":        `{"count":2,"min":1,"max":1,"sum":3,"buckets":[2,2]}`,
	} {
		h := recorded([]time.Duration{time.Second})
		if err := json.Unmarshal([]byte(in), h); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if h.Max() != time.Second {
			t.Errorf("%s: the histogram changed", name)
		}
	}
	if err := new(Histogram).UnmarshalJSON([]byte(`{"count":-1}`)); err == nil {
		t.Error("a negative count was read")
	}
	if err := json.Unmarshal([]byte(`{"count":1,"min":1,"max":1,"sum":1,"buckets":[2,1]}`), new(Histogram)); err != nil {
		t.Error(err)
	}
}

// FuzzJSON reads what it may and writes it again the same.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(text(recorded([]time.Duration{1, time.Second}))))
	f.Add([]byte(`{"count":0}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var h, again Histogram
		if h.UnmarshalJSON(in) != nil {
			return
		}
		if err := again.UnmarshalJSON([]byte(text(&h))); err != nil || text(&again) != text(&h) {
			t.Fatalf("%v: %s", err, text(&h))
		}
	})
}
