package deflate

import (
	"bytes"
	"testing"
)

func TestWindow(t *testing.T) {
	for _, size := range []int{256, 1000, maxWindow} {
		memory := &lender{}
		w := NewWindow(size, memory)
		var all []byte
		for i, n := range []int{0, 1, 10, 100, size / 2, size - 1, 3, size, size + 1, 5, 3 * size, 0, 1} {
			piece := noise(uint64(i), n)
			all = append(all, piece...)
			if !w.add(piece) || !bytes.Equal(w.data, last(all, size)) {
				t.Fatalf("size %d, piece %d: not the end of what was added", size, i)
			}
			if w.Held() > size || w.Held() > 2*len(all) {
				t.Fatalf("size %d: %d held for %d", size, w.Held(), len(all))
			}
		}
		w.Drop()
		w.Drop()
		if w.Held() != 0 || memory.released != 1 {
			t.Errorf("%d held, %d released", w.Held(), memory.released)
		}
		if !w.add([]byte("again")) || string(w.data) != "again" {
			t.Errorf("%q after it was dropped", w.data)
		}
	}
}

func TestWindowIsNoLarger(t *testing.T) {
	w := NewWindow(1<<20, nil)
	w.add(make([]byte, 1<<20))
	if len(w.data) != maxWindow {
		t.Errorf("%d bytes", len(w.data))
	}
}

func TestWindowRefused(t *testing.T) {
	w := NewWindow(100, &lender{refuse: 2})
	w.add([]byte("one"))
	if w.add([]byte("two, which is longer")) || string(w.data) != "one" {
		t.Errorf("%q", w.data)
	}
}
