package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"testing"
)

var benchSizes = []int{64, 512, 4096, 65536}

// BenchmarkAppend compresses JSON. The metric %size is what is left of it, plain where that is less.
func BenchmarkAppend(b *testing.B) {
	for _, n := range benchSizes {
		for level := Fastest; level <= Smallest; level++ {
			for _, window := range []int{0, 1 << 10, 2 << 10, 4 << 10, 8 << 10, maxWindow} {
				b.Run(fmt.Sprintf("%d/level%d/window%d", n, level, window), func(b *testing.B) {
					benchAppend(b, &Deflater{level: level}, samples(20, n), window)
				})
			}
		}
		for _, bits := range []int{9, 12} {
			b.Run(fmt.Sprintf("%d/bits%d", n, bits), func(b *testing.B) {
				benchAppend(b, &Deflater{level: 1, windowBits: bits}, samples(20, n), 0)
			})
		}
	}
}

func benchAppend(b *testing.B, d *Deflater, messages [][]byte, window int) {
	var w *Window
	if window > 0 {
		takeover := NewWindow(window, nil)
		w = &takeover
	}
	dst := make([]byte, 0, 2*len(messages[0])+100)
	i, in, out := 0, 0, 0
	b.ReportAllocs()
	for b.Loop() {
		message := messages[i%len(messages)]
		i++
		in += len(message)
		if c, ok := d.Append(dst, message, w); ok {
			out += len(c)
		} else {
			out += len(message)
		}
	}
	b.ReportMetric(100*float64(out)/float64(in), "%size")
}

// BenchmarkInflate inflates what Fastest made, with the standard library for comparison.
func BenchmarkInflate(b *testing.B) {
	for _, n := range benchSizes[1:] {
		var all [][]byte
		for _, message := range samples(21, n) {
			all = append(all, compress(b, message, nil))
		}
		dst := make([]byte, 0, n+100)
		i := 0
		for _, takeover := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/takeover=%v", n, takeover), func(b *testing.B) {
				var f Inflater
				var w *Window
				if takeover {
					window := NewWindow(maxWindow, nil)
					w = &window
				}
				b.ReportAllocs()
				for b.Loop() {
					i++
					if _, err := f.Append(dst, all[i%len(all)], true, w, nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(fmt.Sprintf("%d/standard", n), func(b *testing.B) {
			in := bytes.NewReader(nil)
			r := flate.NewReader(in)
			buf := make([]byte, n)
			b.ReportAllocs()
			for b.Loop() {
				i++
				in.Reset(append(append(dst[:0], all[i%len(all)]...), ending...))
				r.(flate.Resetter).Reset(in, nil)
				if _, err := io.ReadFull(r, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
