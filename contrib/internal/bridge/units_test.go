package bridge

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{Prefix: "wsloop"},
		{Prefix: "."},
		{Prefix: "a..b."},
		{Prefix: "a.*."},
		{Prefix: "a.b>."},
		{Prefix: "a b."},
		{Prefix: "a\x00."},
		{Prefix: "a\xff."},
		{Prefix: strings.Repeat("a", 256) + "."},
		{MaxMessageBytes: -1},
		{Heartbeat: -1},
	} {
		if _, err := o.WithDefaults(); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	o, err := Options{Prefix: "eu.wsloop.", MaxBackoff: time.Hour, MaxQueued: 7}.WithDefaults()
	if err != nil || o.MaxBackoff != maxBackoff || o.MaxQueued != 7 || o.MaxQueuedBytes != DefaultMaxQueuedBytes || o.Logger == nil {
		t.Errorf("%+v %v", o, err)
	}
	if o, err := (Options{}).WithDefaults(); err != nil || o.Prefix != DefaultPrefix {
		t.Errorf("%+v %v", o, err)
	}
}

func TestEnvelope(t *testing.T) {
	data := Seal(codec.OpcodeBinary, 0x0102030405060708, 0x1112131415161718, []byte("payload"))
	const want = "\x01\x02\x01\x02\x03\x04\x05\x06\x07\x08\x11\x12\x13\x14\x15\x16\x17\x18payload"
	if string(data) != want {
		t.Errorf("%q", data)
	}
	e, payload, ok := open(data)
	if !ok || e != (envelope{codec.OpcodeBinary, 0x0102030405060708, 0x1112131415161718}) || string(payload) != "payload" {
		t.Errorf("%+v %q %v", e, payload, ok)
	}
	for n := range EnvelopeBytes {
		if _, _, ok := open(data[:n]); ok {
			t.Errorf("%d bytes were accepted", n)
		}
	}
	if _, payload, ok := open(data[:EnvelopeBytes]); !ok || len(payload) != 0 {
		t.Error("an empty message was refused")
	}
	for first := range 256 {
		for second := range 256 {
			data[0], data[1] = byte(first), byte(second)
			if _, _, ok := open(data); ok != (first == version && (second == 1 || second == 2)) {
				t.Fatalf("version %d, opcode %d: %v", first, second, ok)
			}
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	f.Add(Seal(codec.OpcodeText, 7, 8, []byte("x")))
	f.Add([]byte{version, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		e, payload, ok := open(data)
		if !ok {
			return
		}
		if again := Seal(e.op, e.origin, e.sequence, payload); !slices.Equal(again, data) {
			t.Errorf("%q became %q", data, again)
		}
	})
}

func TestOrigins(t *testing.T) {
	o := origins{most: 2}
	for i, step := range []struct {
		id, sequence uint64
		want         verdict
	}{
		{1, 5, fresh},
		{1, 5, duplicate},
		{1, 6, fresh},
		{1, 5, late},
		{1, 6, duplicate},
		{2, 5, fresh},
		{1, 9, fresh},
		{3, 1, fresh}, // 2 is forgotten, not 1
		{1, 9, duplicate},
		{2, 5, fresh}, // and 3
		{1, 8, late},
		{3, 1, fresh},
		{1, 1<<64 - 1, fresh},
		{1, 1<<64 - 1, duplicate},
		{1, 0, late},
	} {
		if got := o.judge(step.id, step.sequence); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	if len(o.known) != 2 || o.order.Len() != 2 {
		t.Errorf("%d and %d are remembered", len(o.known), o.order.Len())
	}
}

// TestQueue compares the queue with a slice.
func TestQueue(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	size := func(i int) int { return i % 23 }
	for range 100 {
		var model, lost, dropped []int
		modelBytes := 0
		shift := func() int {
			first := model[0]
			model, modelBytes = model[1:], modelBytes-size(first)
			return first
		}
		q := queue[int]{mostItems: 1 + random.IntN(5000), mostBytes: 1 + random.IntN(50000), dropped: func(i int) { dropped = append(dropped, i) }}
		for next := range 8000 {
			for len(model) > 0 && (len(model) == q.mostItems || modelBytes+size(next) > q.mostBytes) {
				lost = append(lost, shift())
			}
			model, modelBytes = append(model, next), modelBytes+size(next)
			q.push(next, size(next))
			if random.IntN(500) == 0 {
				room := random.IntN(20000)
				var want []int
				for left := room; len(model) > 0 && (len(want) == 0 || size(model[0]) <= left); {
					left -= size(model[0])
					want = append(want, shift())
				}
				if got := q.take(nil, room); !slices.Equal(got, want) {
					t.Fatalf("took %v, want %v", got, want)
				}
			}
			if q.len() != len(model) || q.bytes != modelBytes {
				t.Fatalf("%d items of %d bytes, want %d of %d", q.len(), q.bytes, len(model), modelBytes)
			}
		}
		if !slices.Equal(dropped, lost) {
			t.Fatal("others were dropped")
		}
		if n := q.clear(); n != len(model) || q.len() != 0 || q.bytes != 0 {
			t.Fatalf("cleared %d of %d", n, len(model))
		}
	}
	q := queue[int]{mostItems: 3, mostBytes: 10}
	q.push(1, 5)
	q.push(2, 50) // alone
	if got := q.take(nil, 1); !slices.Equal(got, []int{2}) || q.take(nil, 1) != nil {
		t.Errorf("took %v", got)
	}
}
