package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wsloop/wsloop/codec/codectest"
)

// FuzzInflate: a message is taken or refused, and read, as by the reference, whatever was inflated
// before; compress/flate reads the same. Nothing exceeds the limit, and a refused message leaves nothing behind.
func FuzzInflate(f *testing.F) {
	for _, c := range codectest.Load(f, "testdata") {
		f.Add(c.In, vectorWindow(f, &c), uint16(0))
	}
	for _, n := range []int{64, 512, 4096} {
		out, _ := new(Deflater).Append(nil, samples(10, n)[0], nil)
		f.Add(out, []byte("before"), uint16(n-1))
		f.Add(out[:len(out)/2], []byte(nil), uint16(n))
		history := NewWindow(maxWindow, nil)
		history.add([]byte(`{"type":"trade","sym":"BTCUSD","px":60000,"qty":1}`))
		window := bytes.Clone(history.data)
		d, _ := NewDeflater(9, 15)
		if out, ok := d.Append(nil, samples(10, n)[1], &history); ok {
			f.Add(out, window, uint16(0))
		}
	}
	inflater := &Inflater{Memory: &lender{}}
	probe := bytes.Repeat([]byte("a probe of the pool, "), 20)
	probeSrc := compress(f, probe, nil)
	f.Fuzz(func(t *testing.T, src, history []byte, limit uint16) {
		if len(src) > 512 || len(history) > 512 {
			return // the reference is slow, and the fuzzer to shorten much
		}
		isText := limit&1 != 0
		limits := &Limits{MessageBytes: uint64(limit), Ratio: uint32(limit >> 8)}
		w := windowOf(history)
		got, err := inflater.Append(nil, src, false, windowOf(history), nil)
		r, ok := inflateReference(src, history)
		fresh, freshErr := new(Inflater).Append(nil, src, false, windowOf(history), nil)
		if !bytes.Equal(got, fresh) || fmt.Sprint(err) != fmt.Sprint(freshErr) {
			t.Fatalf("%q, %v depends on what was before: %q, %v", got, err, fresh, freshErr)
		}
		switch {
		case r.noSymbol && !ok:
		case (err == nil) != ok:
			if e, tooMany := err.(*Error); !tooMany || e.Reason != faultRestarts.Error() {
				t.Fatalf("%v, the reference says %v", err, ok)
			}
		case ok && !bytes.Equal(got, r.message()):
			t.Fatalf("%q, the reference says %q", got, r.message())
		case len(got) <= len(r.message()) && !bytes.HasPrefix(r.message(), got):
			t.Fatalf("before %v %q, the reference says %q", err, got, r.message())
		}
		if err == nil && !r.noSymbol {
			standard, _ := io.ReadAll(flate.NewReaderDict(strings.NewReader(string(src)+ending), history))
			if !bytes.HasPrefix(got, standard) {
				t.Fatalf("%q, compress/flate says %q", got, standard)
			}
		}
		limited, limitedErr := inflater.Append(nil, src, isText, w, limits)
		checkLimited(t, got, limited, isText, resolve(limits, len(src)).bytes, err, limitedErr)
		if limitedErr == nil && w != nil && !bytes.Equal(w.data, last(append(bytes.Clone(history), got...), maxWindow)) {
			t.Fatal("the window is not the end of what went before")
		}
		if again, err := inflater.Append(nil, probeSrc, true, nil, nil); err != nil || !bytes.Equal(again, probe) {
			t.Fatalf("then %q, %v", again, err)
		}
	})
}

// checkLimited compares a message with the one that came without limits.
func checkLimited(t *testing.T, whole, got []byte, isText bool, limit uint64, wholeErr, err error) {
	should := wholeErr == nil && uint64(len(whole)) <= limit && (!isText || utf8.Valid(whole))
	if should != (err == nil) || uint64(len(got)) > limit || !bytes.HasPrefix(whole, got) || should && len(got) != len(whole) {
		t.Fatalf("limit of %d, text %v: %d of %d bytes, %v and without limits %v", limit, isText, len(got), len(whole), err, wholeErr)
	}
}

// FuzzRoundTrip: what is compressed, in pieces as messages of one connection, comes back, refers to
// nothing outside the window agreed, and is smaller or taken in for others. The input is the recipe of what is sent.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\x03\x40\x00\x03\x40\x01\x01\x30\x20"), uint16(64), uint8(0), uint8(1))
	f.Add([]byte("\x03\xff\x00\x3d\xff\x40\x1d\xff\x80\x02\xff\x00"), uint16(700), uint8(30), uint8(0x55))
	f.Add([]byte("\x00\xff\x07\xe0\xff\x08\x03\x50\x05"), uint16(500), uint8(9), uint8(0))
	f.Add([]byte("\xe2\xff\x00\xff\xff\x01\x1d\xff\x70\xfd\xff\xff"), uint16(5000), uint8(12), uint8(0x2b))
	all := deflaters(f)
	f.Fuzz(func(t *testing.T, recipe []byte, pieceLen uint16, kind, events uint8) {
		d := all[int(kind)%len(all)]
		sending, receiving := NewWindow(64<<(events>>1&7), nil), NewWindow(d.window(), nil)
		w, peer := &sending, &receiving
		if events&1 == 0 {
			w, peer = nil, nil
		}
		var history []byte
		i := 0
		for message := range slices.Chunk(cook(recipe), int(pieceLen)+1) {
			if i++; events>>4 != 0 && i%int(events>>4) == 3 {
				sending.Drop()
			}
			out, ok := d.Append(nil, message, w)
			if !ok {
				continue
			}
			if len(out) >= len(message) && (w == nil || len(message) > wantedBytes || len(out) != len(message)+6) {
				t.Fatalf("%v: %d bytes became %d", d, len(message), len(out))
			}
			checkMessage(t, d, out, message, last(history, d.window()), peer)
			if w != nil {
				history = append(history, message...)
			}
		}
	})
}

// cook makes bytes of a recipe: each three bytes of it say how many, of which kind, and from where.
func cook(recipe []byte) (b []byte) {
	for step := range slices.Chunk(recipe[:min(len(recipe), 48)], 3) {
		if len(step) < 3 {
			break
		}
		n, from := int(step[1])*(1+int(step[0]>>5)), int(step[2])<<(step[0]>>2&7)
		switch step[0] & 3 {
		case 0:
			b = append(b, noise(uint64(step[2]), n)...)
		case 1:
			for range n {
				b = append(b, 'a')
				b[len(b)-1] = b[max(0, len(b)-1-from)]
			}
		case 2:
			b = append(b, bytes.Repeat(step[2:], n)...)
		default:
			b = append(b, sample(rand.New(rand.NewPCG(uint64(step[2]), 0)), max(n, 64))...)
		}
	}
	return b[:min(len(b), 1<<14)]
}
