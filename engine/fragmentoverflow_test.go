package engine

import (
	"errors"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// Fragments are refused, never dropped, under every policy; no message comes between them, and messages
// around them give way as they would.
func TestFragmentsAreNeverDropped(t *testing.T) {
	for policy := OverflowClose; policy <= OverflowKeepLatest; policy++ {
		st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(10), Overflow: Overflow{Policy: policy}})
		st.queue(1, 2)
		w, err := st.c.NewWriter(codec.OpcodeBinary)
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		for i := 3; i <= 9; i++ {
			if _, err := w.Write([]byte(payloadOf(i))); err != nil {
				t.Errorf("%v: fragment %d: %v", policy, i, err)
			}
			want += payloadOf(i)
			if _, err := st.c.SendWith(codec.OpcodeText, nil, Delivery{Key: "k"}); !errors.Is(err, ErrMessageOpen) {
				t.Errorf("%v: a message between fragments: %v", policy, err)
			}
		}
		if n, err := w.Write(make([]byte, 1000)); n != 0 || !errors.Is(err, ErrBufferFull) {
			t.Errorf("%v: Write = %d, %v", policy, n, err)
		}
		if err := w.Close(); err != nil {
			t.Errorf("%v: Close: %v", policy, err)
		}
		dropped := 0
		for i := 10; i < 30; i++ {
			sent, err := st.c.SendText(payloadOf(i))
			if errors.Is(err, ErrTooSlow) {
				break
			}
			if err != nil && !errors.Is(err, ErrBufferFull) {
				t.Fatal(err)
			}
			dropped += sent.Dropped
		}
		st.drain(st.c.token)
		all, err := frames(st.take(st.c.token))
		if err != nil {
			t.Fatal(err)
		}
		got, inside := "", false
		for at, f := range all {
			if partial := f.op == codec.OpcodeContinuation; partial != inside || f.op == codec.OpcodeBinary && f.fin {
				t.Fatalf("%v: frame %d is %v", policy, at, f)
			}
			if inside || f.op == codec.OpcodeBinary {
				got += string(f.payload)
				inside = !f.fin
			}
		}
		if policy == OverflowClose {
			want = "" // all that waited is lost
		}
		if got != want {
			t.Errorf("%v: fragments of %d bytes arrived, want %d", policy, len(got), len(want))
		}
		if policy >= OverflowDropOldest && dropped < 19 {
			t.Errorf("%v: %d dropped", policy, dropped)
		}
	}
}

// A fragment for which there is no room is refused under every policy, and no message gives way to it.
func TestNothingGivesWayToAFragment(t *testing.T) {
	for policy := OverflowClose; policy <= OverflowKeepLatest; policy++ {
		st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(3), Overflow: Overflow{Policy: policy}})
		st.queue(1, 3)
		w, err := st.c.NewWriter(codec.OpcodeText)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := w.Write([]byte(payloadOf(4))); n != 0 || !errors.Is(err, ErrBufferFull) {
			t.Errorf("%v: Write = %d, %v", policy, n, err)
		}
		if err := w.Close(); !errors.Is(err, ErrBufferFull) {
			t.Errorf("%v: Close: %v", policy, err)
		}
		st.counts(Stats{BufferFull: 2})
		st.expect(1, 2, 3)
	}
}
