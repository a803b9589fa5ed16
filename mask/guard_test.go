//go:build unix

package mask

import (
	"bytes"
	"os"
	"runtime/debug"
	"testing"

	"golang.org/x/sys/unix"
)

// guarded returns a page of memory between two that may not be touched, and has made
// sure that they may not.
func guarded(t *testing.T) []byte {
	t.Helper()
	page := os.Getpagesize()
	all, err := unix.Mmap(-1, 0, 3*page, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(all); err != nil {
			t.Error(err)
		}
	})
	middle := all[page : 2*page : 2*page]
	if err := unix.Mprotect(middle, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		t.Fatal(err)
	}
	for _, outside := range []int{page - 1, 2 * page} {
		if !faults(func() { all[outside] ^= 1 }) {
			t.Fatalf("byte %d of the mapping is not guarded", outside)
		}
	}
	return middle
}

// faults reports whether f touched memory that it may not.
func faults(f func()) (faulted bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { faulted = recover() != nil }()
	f()
	return false
}

// A load or a store outside the slice, were it only by one byte, meets a forbidden
// page here, in front of the slice or behind it.
func TestNoTouchOutside(t *testing.T) {
	a, b := guarded(t), guarded(t)
	page := len(a)
	each(t, func(t *testing.T, r routine) {
		for n := range lengths + 1 {
			src := pattern(n)
			want := naive(src, 0)
			for place, start := range map[string]int{"after": 0, "before": page - n} {
				x, y := a[start:start+n], b[start:start+n]
				copy(x, src)
				if faults(func() { r.copy(y, x, word(0)) }) {
					t.Fatalf("Copy of %d bytes right %s a guard page left the slices", n, place)
				}
				if faults(func() { r.xor(x, word(0)) }) {
					t.Fatalf("XOR of %d bytes right %s a guard page left the slice", n, place)
				}
				if !bytes.Equal(x, want) || !bytes.Equal(y, want) {
					t.Fatalf("%d bytes right %s a guard page: wrong bytes", n, place)
				}
			}
		}
	})
}
