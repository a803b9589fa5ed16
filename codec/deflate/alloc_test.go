package deflate

import (
	"fmt"
	"testing"
)

func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector empties pools")
	}
	for _, n := range []int{64, 512, 4096, 65536} {
		messages := samples(8, n)
		var d Deflater
		var f Inflater
		dst := make([]byte, 0, 2*n+100)
		limits := &Limits{MessageBytes: 1 << 20, Ratio: 100}
		var compressed [][]byte
		for _, m := range messages {
			out, ok := d.Append(nil, m, nil)
			if ok {
				compressed = append(compressed, out)
			}
		}
		noise := noise(9, n)
		i := 0
		checkAllocations(t, fmt.Sprintf("deflate %d", n), func() {
			i++
			d.Append(dst, messages[i%len(messages)], nil)
			d.Append(dst, noise, nil)
		})
		for level := 1; level <= Smallest; level++ {
			d := &Deflater{level: level, windowBits: maxWindowBits}
			w := NewWindow(2048, nil)
			checkAllocations(t, fmt.Sprintf("level %d %d", level, n), func() {
				i++
				d.Append(dst, messages[i%len(messages)], nil)
				if n >= shortMessage {
					d.Append(dst, messages[i%len(messages)], &w)
				}
			})
		}
		if len(compressed) == 0 {
			continue
		}
		checkAllocations(t, fmt.Sprintf("inflate %d", n), func() {
			i++
			if _, err := f.Append(dst, compressed[i%len(compressed)], true, nil, limits); err != nil {
				t.Fatal(err)
			}
		})
		w := NewWindow(maxWindow, nil)
		w.add(make([]byte, maxWindow))
		checkAllocations(t, fmt.Sprintf("inflate with takeover %d", n), func() {
			i++
			if _, err := f.Append(dst, compressed[i%len(compressed)], true, &w, limits); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func checkAllocations(t *testing.T, what string, f func()) {
	t.Helper()
	for range 50 {
		f()
	}
	if n := testing.AllocsPerRun(100, f); n != 0 {
		t.Errorf("%s: %v allocations", what, n)
	}
}
