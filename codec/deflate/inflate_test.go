package deflate

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/codec/codectest"
)

// windowOf gives a Window that has the text, or none for the empty text.
func windowOf(text []byte) *Window {
	if len(text) == 0 {
		return nil
	}
	w := NewWindow(maxWindow, nil)
	w.add(text)
	return &w
}

func vectorWindow(t testing.TB, c *codectest.Case) []byte {
	b, err := codectest.Bytes(c.Options["window"])
	if err != nil && c.Options["window"] != "" {
		t.Fatalf("%s: %v", c, err)
	}
	return b
}

func TestVectors(t *testing.T) {
	var f Inflater
	for _, c := range codectest.Load(t, "testdata") {
		window, isText := vectorWindow(t, &c), c.Options["text"] != ""
		dst, err := f.Append([]byte("before"), c.In, isText, windowOf(window), nil)
		message, found := bytes.CutPrefix(dst, []byte("before"))
		got := "message " + strconv.Quote(string(message))
		switch {
		case errors.Is(err, ErrCorrupt):
			got = "corrupt"
		case errors.Is(err, ErrInvalidUTF8):
			got = "utf-8"
		}
		if !found || got != c.Want[0] || err != nil && errorCode(err) != codec.StatusInvalidFramePayloadData {
			t.Errorf("%s: got %s (%v), want %s", &c, got, err, c.Want[0])
		}
		if r, ok := inflateReference(c.In, window); ok != (c.Want[0] != "corrupt") && c.Name != "finals-too-many" ||
			err == nil && !bytes.Equal(r.message(), message) {
			t.Errorf("%s: the reference has %q, %v", &c, r.message(), ok)
		}
	}
}

func errorCode(err error) codec.StatusCode {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestErrorText(t *testing.T) {
	_, err := new(Inflater).Append(nil, []byte("\x00\x0f\x00\xf0\xffHel"), false, nil, nil)
	if got := err.Error(); got != "deflate: the compressed data ends inside a block (status 1007, after 8 bytes that became 0)" {
		t.Error(got)
	}
	if got := faultRatio.Error(); got != "a message is compressed more than the limit allows" {
		t.Error(got)
	}
}

func compress(t testing.TB, message []byte, w *Window) []byte {
	out, ok := new(Deflater).Append(nil, message, w)
	if !ok {
		t.Fatalf("%d bytes do not compress", len(message))
	}
	return out
}

// A message of the limit passes and one byte more does not; nothing behind the limit is handed
// out, and no memory is taken for it.
func TestLimit(t *testing.T) {
	for _, n := range []int{100, maxWindow - 1, maxWindow, maxWindow + 1, 5 * maxWindow, 1 << 20} {
		src := compress(t, make([]byte, n), nil)
		for _, less := range []int{0, 1, n / 2, n - 1} {
			memory := &lender{}
			f := Inflater{Memory: memory}
			dst, err := f.Append(nil, src, true, nil, &Limits{MessageBytes: uint64(n - less)})
			if less == 0 && (err != nil || len(dst) != n) {
				t.Errorf("limit of %d: %d bytes, %v", n, len(dst), err)
			}
			if less > 0 && (!errors.Is(err, ErrTooBig) || errorCode(err) != codec.StatusMessageTooBig || len(dst) > n-less) {
				t.Errorf("%d bytes of %d: %d inflated, %v", n-less, n, len(dst), err)
			}
			if memory.most > n-less {
				t.Errorf("%d bytes of %d: %d were reserved", n-less, n, memory.most)
			}
		}
	}
}

// What 1,000:1 costs is the limit and a constant, however much it would become.
func TestBomb(t *testing.T) {
	const limit = 1 << 20
	bomb := compress(t, make([]byte, 64<<20), nil)
	if len(bomb) > 100<<10 {
		t.Fatalf("a bomb of %d bytes", len(bomb))
	}
	memory := &lender{}
	f := Inflater{Memory: memory}
	dst, err := f.Append(nil, bomb, false, nil, &Limits{MessageBytes: limit})
	var e *Error
	if !errors.As(err, &e) || e.kind != ErrTooBig {
		t.Fatal(err)
	}
	if len(dst) > limit || memory.most > limit {
		t.Errorf("%d bytes inflated, %d reserved", len(dst), memory.most)
	}
	if most := limit/1000 + maxWindow/1000 + bufferBytes + 1000; e.Compressed > most || e.Inflated != len(dst) {
		t.Errorf("%d of %d bytes were read, at most %d are needed; %d inflated", e.Compressed, len(bomb), most, e.Inflated)
	}
}

func TestRatio(t *testing.T) {
	var f Inflater
	for _, c := range []struct {
		n     int
		ratio uint32
		want  error
	}{
		{RatioFreeBytes, 1, nil},
		{RatioFreeBytes + 1, 1, ErrRatio},
		{RatioFreeBytes * 2, 900, nil},
		{RatioFreeBytes * 2, 300, ErrRatio},
	} {
		src := compress(t, make([]byte, c.n), nil)
		_, err := f.Append(nil, src, false, nil, &Limits{Ratio: c.ratio})
		if !errors.Is(err, c.want) || err != nil && errorCode(err) != codec.StatusMessageTooBig {
			t.Errorf("%+v: %v", c, err)
		}
		if _, err := f.Append(nil, src, false, nil, &Limits{MessageBytes: 1000, Ratio: c.ratio}); !errors.Is(err, ErrTooBig) {
			t.Errorf("%+v with a limit: %v", c, err)
		}
	}
}

// Characters on the border of chunks are whole, and broken text stops the inflating where it is.
func TestText(t *testing.T) {
	var f Inflater
	for shift := range 4 {
		text := append(bytes.Repeat([]byte("x"), shift), bytes.Repeat([]byte("😀"), 3*maxWindow/4)...)
		src := compress(t, text, nil)
		if got, err := f.Append(nil, src, true, nil, nil); err != nil || !bytes.Equal(got, text) {
			t.Errorf("shifted by %d: %d bytes, %v", shift, len(got), err)
		}
		text[maxWindow/2] = 0xff
		got, err := f.Append(nil, compress(t, text, nil), true, nil, nil)
		if !errors.Is(err, ErrInvalidUTF8) || len(got) > maxWindow {
			t.Errorf("broken: %d bytes, %v", len(got), err)
		}
		if _, err := f.Append(nil, compress(t, text, nil), false, nil, nil); err != nil {
			t.Errorf("binary: %v", err)
		}
	}
}

// An error leaves nothing behind in what the next message, of another connection, is inflated with.
func TestErrorsDoNotPoison(t *testing.T) {
	good := bytes.Repeat([]byte(`{"a":1}`), 10000)
	src := compress(t, good, nil)
	var f Inflater
	for _, c := range codectest.Load(t, "testdata") {
		f.Append(nil, c.In, true, windowOf(vectorWindow(t, &c)), &Limits{MessageBytes: 3})
		f.Append(nil, src[:len(src)/2], true, nil, nil)
		if got, err := f.Append(nil, src, true, nil, nil); err != nil || !bytes.Equal(got, good) {
			t.Fatalf("behind %s: %d bytes, %v", &c, len(got), err)
		}
		// Nor may one refer to what another said.
		if _, err := f.Append(nil, []byte("\xf2\x00\x11\x00\x00"), true, nil, nil); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("behind %s: %v", &c, err)
		}
	}
}

// Far references across a final block, with and without takeover.
func TestHistoryAcrossFinalBlocks(t *testing.T) {
	var f Inflater
	long := samples(1, 50000)[0]
	for _, before := range []int{0, 1, 1000, maxWindow} {
		window := samples(2, max(before, 600))[1][:before]
		for _, n := range []int{1, 1000, maxWindow - 1, maxWindow, 40000} {
			first := slices.Concat(long[:n])
			// A final stored block for each 10,000 bytes, then what only refers.
			var src []byte
			for rest := range slices.Chunk(first, 10000) {
				src = append(src, 1, byte(len(rest)), byte(len(rest)>>8), ^byte(len(rest)), ^byte(len(rest)>>8))
				src = append(src, rest...)
			}
			w := NewWindow(maxWindow, nil)
			w.add(window)
			w.add(first)
			second, ok := new(Deflater).Append(nil, first, &w)
			if !ok {
				continue
			}
			src = append(src, second...)
			want := slices.Concat(first, first)
			w.Drop()
			w.add(window)
			got, err := f.Append(nil, src, false, &w, nil)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes before, %d bytes: %d of %d bytes, %v", before, n, len(got), len(want), err)
			}
			if !bytes.Equal(w.data, last(slices.Concat(window, want), maxWindow)) {
				t.Errorf("%d bytes before, %d bytes: the window is not the end of what went before", before, n)
			}
		}
	}
}

func TestNoMemory(t *testing.T) {
	src := compress(t, make([]byte, 1000), nil)
	f := Inflater{Memory: &lender{refuse: 1}}
	if _, err := f.Append(nil, src, false, nil, nil); err != codec.ErrNoMemory {
		t.Error(err)
	}
	f.Memory = &lender{refuse: 1}
	if _, err := f.Append(nil, src, false, nil, &Limits{MessageBytes: 1000}); err != codec.ErrNoMemory {
		t.Error(err)
	}
	f.Memory = nil
	for _, src := range [][]byte{src, append([]byte("\x01\x05\x00\xfa\xffHello"), src...)} {
		w := NewWindow(maxWindow, &lender{refuse: 1})
		if _, err := f.Append(nil, src, false, &w, nil); err != codec.ErrNoMemory || w.Held() != 0 {
			t.Error(err, w.Held())
		}
	}
}

func TestMaxCompressed(t *testing.T) {
	for in, want := range map[uint64]uint64{0: 0, 1: 1025, 4096: 6144, math.MaxUint64: math.MaxUint64, math.MaxUint64 - 1: math.MaxUint64 - 1} {
		if got := MaxCompressed(in); got != want {
			t.Errorf("MaxCompressed(%d) = %d, want %d", in, got, want)
		}
	}
}

// Memory that was lent is grown or given back, and what was in dst before the message stays.
func TestGrowingKeepsWhatWasThere(t *testing.T) {
	memory := &lender{}
	f := Inflater{Memory: memory}
	dst := append(memory.Grow(nil, 6), "before"...)
	message := bytes.Repeat([]byte("message "), 20_000)
	dst, err := f.Append(dst, compress(t, message, nil), true, nil, &Limits{MessageBytes: uint64(len(message))})
	if err != nil || string(dst) != "before"+string(message) {
		t.Fatalf("%.20q, %d bytes, %v", dst, len(dst), err)
	}
	if memory.live != cap(dst) || cap(dst) != len(dst) {
		t.Errorf("%d bytes are lent for %d", memory.live, len(dst))
	}
}

// lender counts what it lends.
type lender struct {
	most, lent, released int
	live                 int // bytes that were not given back
	refuse               int // the call of Grow that is refused, from 1
}

func (l *lender) Grow(b []byte, need int) []byte {
	if l.lent++; l.lent == l.refuse {
		return nil
	}
	l.most = max(l.most, need)
	grown := make([]byte, len(b), need)
	copy(grown, b)
	l.live += need - cap(b)
	return grown
}

func (l *lender) Release(b []byte) {
	l.released++
	l.live -= cap(b)
}

// A block whose code of distances has no symbol, but refers to something, is read alike whatever was
// inflated before it.
func TestTablesAreNotKept(t *testing.T) {
	src := []byte("t\xd0\xcdj\xeb0\x10\x05\xe0WA\xb3v\x8c~bY\x9a\xe7\xc8\xea^\xba \xedI\"90AV!Y\xe4\u074b\x1b\xd7uB\xd9\xef000170000a900010\x7fA")
	want, wantErr := new(Inflater).Append(nil, src, false, nil, nil)
	if r, ok := inflateReference(src, nil); ok || !r.noSymbol || !errors.Is(wantErr, ErrCorrupt) {
		t.Fatalf("not such a block: %v, %v", ok, wantErr)
	}
	var f Inflater
	for _, message := range samples(13, 1000) {
		if _, err := f.Append(nil, compress(t, message, nil), true, nil, nil); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Append(nil, src, false, nil, nil); !bytes.Equal(got, want) || err.Error() != wantErr.Error() {
			t.Fatalf("%q, %v, not %q, %v", got, err, want, wantErr)
		}
	}
}
