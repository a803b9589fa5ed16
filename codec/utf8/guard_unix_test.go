//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package utf8

import (
	"testing"

	"golang.org/x/sys/unix"
)

// guarded returns a page of memory whose neighbours fault when they are touched.
func guarded(t *testing.T) []byte {
	t.Helper()
	size := unix.Getpagesize()
	m, err := unix.Mmap(-1, 0, 3*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(m); err != nil {
			t.Error(err)
		}
	})
	for _, guard := range [][]byte{m[:size], m[2*size:]} {
		if err := unix.Mprotect(guard, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return m[size : 2*size : 2*size]
}

// TestReadsOnlyItsInput validates text that touches forbidden memory at either end.
func TestReadsOnlyItsInput(t *testing.T) {
	page := guarded(t)
	for _, text := range benchTexts {
		for n := range 2*maxPositionBytes + 1 {
			want := fill(text.text, n)
			for _, b := range [][]byte{page[:n], page[len(page)-n:]} {
				copy(b, want)
				checkWhole(t, b)
				if n > 1 {
					b[n-1] = 0xE1 // open at the end
					checkWhole(t, b)
					b[0] = 0xBF // wrong at the beginning
					checkWhole(t, b)
				}
			}
		}
	}
}
