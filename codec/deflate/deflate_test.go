package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// deflaters gives one of each kind, and in short tests fewer.
func deflaters(t testing.TB) []*Deflater {
	all := []*Deflater{{}}
	for bits := minWindowBits; bits <= maxWindowBits; bits++ {
		for level := Fastest; level <= Smallest; level++ {
			if bits < maxWindowBits && level > 1 {
				continue // as level 1
			}
			if testing.Short() && (bits > 9 && bits < maxWindowBits || level > 1 && level != 6 && level != 9) {
				continue
			}
			d, err := NewDeflater(level, bits)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, d)
		}
	}
	return all
}

func (d *Deflater) String() string { return fmt.Sprintf("level %d, %d bits", d.level, d.windowBits) }

func (d *Deflater) window() int {
	if d.windowBits == 0 {
		return maxWindow
	}
	return 1 << d.windowBits
}

func TestNewDeflater(t *testing.T) {
	for _, c := range [][2]int{{-1, 15}, {10, 15}, {0, 7}, {0, 16}} {
		if d, err := NewDeflater(c[0], c[1]); err == nil || d != nil || !strings.HasPrefix(err.Error(), "deflate: ") {
			t.Errorf("level %d, %d bits: %v", c[0], c[1], err)
		}
	}
}

// What checkMessage inflates with.
var (
	checker   Inflater
	standards = sync.Pool{New: func() any { return flate.NewReader(nil) }}
)

// checkMessage inflates what was compressed in three ways, and looks how far it refers.
func checkMessage(t testing.TB, d *Deflater, compressed, message, history []byte, w *Window) {
	t.Helper()
	r, ok := inflateReference(compressed, history)
	if !ok || !bytes.Equal(r.message(), message) {
		t.Fatalf("%v: %d bytes do not come back: %v", d, len(message), ok)
	}
	if r.farthest > d.window() {
		t.Fatalf("%v: %d bytes refer to what is %d away", d, len(message), r.farthest)
	}
	standard := standards.Get().(io.ReadCloser)
	defer standards.Put(standard)
	standard.(flate.Resetter).Reset(strings.NewReader(string(compressed)+ending), history)
	if got, err := io.ReadAll(standard); err != nil || !bytes.Equal(got, message) {
		t.Fatalf("%v: compress/flate gives %d of %d bytes, %v", d, len(got), len(message), err)
	}
	if got, err := checker.Append(nil, compressed, false, w, nil); err != nil || !bytes.Equal(got, message) {
		t.Fatalf("%v: %d of %d bytes, %v", d, len(got), len(message), err)
	}
}

func TestWithoutTakeover(t *testing.T) {
	for _, d := range deflaters(t) {
		for _, n := range []int{0, 1, 64, 127, 200, 256, 257, 512, 4096, 32767, 32768, 65536, 200000} {
			if testing.Short() && n > 70000 {
				continue
			}
			for _, message := range [][]byte{samples(3, max(n, 10))[0], make([]byte, n), noise(1, n)} {
				out, ok := d.Append([]byte("before"), message, nil)
				if !bytes.HasPrefix(out, []byte("before")) || ok && len(out)-6 >= len(message) || !ok && len(out) != 6 {
					t.Fatalf("%v: %d bytes became %d, %v", d, len(message), len(out)-6, ok)
				}
				if ok {
					checkMessage(t, d, out[6:], message, nil, nil)
				}
			}
		}
		if _, ok := d.Append(nil, samples(3, 512)[0], nil); !ok {
			t.Errorf("%v: JSON does not compress", d)
		}
	}
}

// What does not compress is not made larger, and nothing is written that was not asked for.
func TestNotSmaller(t *testing.T) {
	for _, d := range deflaters(t) {
		for _, n := range []int{0, 1, 5, 64, 1000, 16384, 100000} {
			dst := make([]byte, 0, n+100)
			guard := dst[:cap(dst)]
			for i := range guard {
				guard[i] = 0xaa
			}
			out, ok := d.Append(dst, noise(2, n), nil)
			if ok || len(out) != 0 {
				t.Errorf("%v: %d bytes of noise became %d, %v", d, n, len(out), ok)
			}
			if behind := guard[n+tailLen:]; bytes.Count(behind, []byte{0xaa}) != len(behind) {
				t.Errorf("%v: %d bytes of noise: more was written", d, n)
			}
		}
	}
}

// Messages with takeover, among them some that go out plain and a window that is dropped at times.
func TestTakeover(t *testing.T) {
	for _, d := range deflaters(t) {
		for _, size := range []int{256, 2048, maxWindow} {
			sending := NewWindow(min(size, d.window()), nil)
			receiving := NewWindow(d.window(), nil)
			var history []byte
			r := rand.New(rand.NewPCG(4, 4))
			plain, compressed, before := 0, 0, 0
			for i := range 60 {
				message := sample(r, []int{64, 64, 300, 2000}[r.IntN(4)])
				switch {
				case i%10 == 9:
					message = noise(uint64(i), 50)
				case i == 30:
					message = samples(5, 70000)[0]
				case i%17 == 16:
					sending.Drop()
				}
				out, ok := d.Append(nil, message, &sending)
				if !ok {
					plain++
					continue
				}
				checkMessage(t, d, out, message, last(history, d.window()), &receiving)
				history = append(history, message...)
				compressed += len(out)
				before += len(message)
				if sending.Held() > 2*size || len(sending.data) > size {
					t.Fatalf("%v: %d held", d, sending.Held())
				}
				if !bytes.HasSuffix(history, sending.data) || !bytes.Equal(receiving.data, last(history, d.window())) {
					t.Fatalf("%v: a window is not the end of what went before", d)
				}
			}
			if plain == 0 || plain > 20 || compressed > before*2/3 {
				t.Errorf("%v, window of %d: %d plain, %d bytes became %d", d, size, plain, before, compressed)
			}
		}
	}
}

// Of messages that do not compress, one in eight becomes 6 bytes longer if it is short, and none else.
func TestWindowWants(t *testing.T) {
	for _, d := range deflaters(t) {
		w, receiving := NewWindow(2048, nil), NewWindow(d.window(), nil)
		var history []byte
		for i := range 40 {
			message := noise(uint64(i), 1+(i*37)%wantedBytes)
			out, ok := d.Append([]byte("before"), message, &w)
			if want := i%8 == 0; ok != want || ok && len(out) != 6+len(message)+6 || !ok && len(out) != 6 {
				t.Fatalf("%v: message %d of %d bytes: %v, %d bytes", d, i, len(message), ok, len(out)-6)
			}
			if ok {
				checkMessage(t, d, out[6:], message, last(history, d.window()), &receiving)
				history = append(history, message...)
			}
			if !bytes.Equal(w.data, last(history, 2048)) {
				t.Fatalf("%v: the window is not the end of what was sent", d)
			}
		}
		for i, message := range [][]byte{nil, noise(50, wantedBytes+1), noise(51, 5000)} {
			if w := NewWindow(2048, nil); w.Held() != 0 {
				t.Fatal("not empty")
			} else if _, ok := d.Append(nil, message, &w); ok || w.Held() != 0 {
				t.Errorf("%v: message %d is taken in", d, i)
			}
		}
	}
}

// Small messages are where takeover pays.
func TestTakeoverOfSmallMessages(t *testing.T) {
	for _, d := range deflaters(t) {
		w := NewWindow(2048, nil)
		in, out := 0, 0
		for _, message := range samples(6, 64) {
			in += len(message)
			if c, ok := d.Append(nil, message, &w); ok {
				out += len(c)
			} else {
				out += len(message)
			}
		}
		if out*10 > in*5 {
			t.Errorf("%v: %d bytes became %d", d, in, out)
		}
	}
}

// A window that gets no memory for our own messages is dropped, and what follows can be read.
func TestTakeoverWithoutMemory(t *testing.T) {
	memory := &lender{refuse: 2}
	sending, receiving := NewWindow(maxWindow, memory), NewWindow(maxWindow, nil)
	var history []byte
	for i, message := range samples(7, 512)[:5] {
		var d Deflater
		out, ok := d.Append(nil, message, &sending)
		if !ok {
			t.Fatal("does not compress")
		}
		checkMessage(t, &d, out, message, history, &receiving)
		history = append(history, message...)
		if i == 1 && (sending.Held() != 0 || memory.released != 1) {
			t.Errorf("%d held, %d released", sending.Held(), memory.released)
		}
	}
	if sending.Held() == 0 {
		t.Error("nothing held at the end")
	}
}

// One Deflater and one Inflater serve many connections at once: none gets anything of another.
func TestManyConnections(t *testing.T) {
	var f Inflater
	for _, level := range []int{Fastest, 1, Smallest} {
		d, err := NewDeflater(level, maxWindowBits)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for connection := range 8 {
			wg.Go(func() {
				sending, receiving := NewWindow(2048, nil), NewWindow(maxWindow, nil)
				for i, message := range samples(uint64(connection), 700)[:16] {
					if i%5 == 4 {
						f.Append(nil, message, true, nil, nil)
					}
					out, ok := d.Append(nil, message, &sending)
					got, err := f.Append(nil, out, true, &receiving, nil)
					if !ok || err != nil || !bytes.Equal(got, message) {
						t.Errorf("level %d, connection %d, message %d: %v, %v", level, connection, i, ok, err)
					}
				}
			})
		}
		wg.Wait()
	}
}
