//go:build amd64 && !purego

package utf8

import "golang.org/x/sys/cpu"

// scanMinBytes is the least that scanAVX2 can take: one block of 32 bytes and, for the
// overlapping last block, the word in front of it.
const scanMinBytes = 36

// The lengths at which the ways of working change, from BenchmarkThreshold: beyond ASCII,
// the vectors win as soon as they can be used; on ASCII, plain words win for longer, since
// the vectors take some time to begin. Both are at least scanMinBytes.
const (
	vectorMinBytes = scanMinBytes
	wordsMaxBytes  = 128
)

// useVector asks for AVX2, including that the operating system saves its registers.
var useVector = cpu.X86.HasAVX2

// scanAVX2 reports whether every two neighbouring bytes of b, and every lead byte with the
// count of continuation bytes behind it, agree with UTF-8, b beginning at a boundary. The
// end is left open: a last character may be unfinished, and the last byte is not judged
// if it is a lead byte. b has at least scanMinBytes bytes; scanAVX2 reads nothing else.
//
//go:noescape
func scanAVX2(b []byte) bool

// wideMinBytes is the length from which scanAVX512 is the faster one, from BenchmarkThreshold. It needs
// 128 bytes: two blocks.
const wideMinBytes = 128

// useWide asks for AVX-512 with its permutations of bytes. Processors that have those lower their clock for
// wide vectors little or not at all.
var useWide = cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VBMI

// scanAVX512 is scanAVX2 for at least wideMinBytes bytes.
//
//go:noescape
func scanAVX512(b []byte) bool

// advance is the work of State.Advance.
func advance(s State, b []byte) (State, bool) {
	if len(b) < vectorMinBytes || !useVector {
		return s.scan(b)
	}
	if s != boundary {
		return s.resume(b)
	}
	if len(b) <= wordsMaxBytes && isASCII(b) {
		return boundary, true
	}
	return advanceVector(b)
}

// isASCII reports whether b, at least a block, is ASCII.
func isASCII(b []byte) bool {
	last := b[len(b)-blockBytes:]
	for len(b) > blockBytes {
		if !isASCIIBlock(b) {
			return false
		}
		b = b[blockBytes:]
	}
	return isASCIIBlock(last)
}

// resume finishes the open character, at most three bytes, and leaves the rest to the
// vectors, which begin at a boundary. b has at least those three bytes.
func (s State) resume(b []byte) (State, bool) {
	i := 0
	for s != boundary && i < 3 {
		s = s.run(b[i : i+1])
		i++
	}
	if s != boundary {
		return reject, false
	}
	return advance(s, b[i:])
}

// scan is scanAVX2 or scanAVX512.
func scan(b []byte) bool {
	if len(b) >= wideMinBytes && useWide {
		return scanAVX512(b)
	}
	return scanAVX2(b)
}

// advanceVector advances from a boundary over at least scanMinBytes bytes.
func advanceVector(b []byte) (State, bool) {
	if !scan(b) {
		return reject, false
	}
	// All characters but the last are complete and valid. If the last three bytes hold no
	// lead byte, the fourth from the end is one, and its character is complete as well.
	for i := len(b) - 1; i >= len(b)-3; i-- {
		if b[i] < 0x80 {
			return boundary, true
		}
		if b[i] >= 0xC0 {
			s := State(boundary).run(b[i:])
			return s, s != reject
		}
	}
	return boundary, true
}

// The faults that two neighbouring bytes can have, each a bit. A fault is decided by three
// nibbles: both of the first byte and the high one of the second. It is present where the
// three rows of nibbleFaults have its bit in common. What two bytes cannot decide, whether
// a second or third continuation byte is due, is counted from the lead bytes instead:
// twoContinuations is a fault unless one is due, and missing if one is due.
const (
	tooShort         = 1 << iota // a lead byte, then no continuation byte
	tooLong                      // ASCII, then a continuation byte
	overlong2                    // C0 or C1, then a continuation byte
	overlong3                    // E0, then 80 to 9F
	surrogate                    // ED, then A0 to BF
	tooLarge                     // F4 to FF, then 90 to BF
	outer4                       // F0 (overlong) or F5 to FF (too large), then 80 to 8F
	twoContinuations             // the top bit, where the count of due bytes is kept

	// anyLow are the faults for which the low nibble of the first byte does not matter.
	anyLow = tooShort | tooLong | twoContinuations

	// anyCont are those for which any continuation byte is enough as the second byte.
	anyCont = tooLong | overlong2 | twoContinuations
)

// nibbleFaults are the tables of scanAVX2 and scanAVX512: by the high nibble of the first byte, by its low
// nibble, and by the high nibble of the second byte.
//
//lint:ignore U1000 the assembly reads it
var nibbleFaults = [3][16]uint8{
	{
		0x0: tooLong, tooLong, tooLong, tooLong, tooLong, tooLong, tooLong, tooLong,
		0x8: twoContinuations, twoContinuations, twoContinuations, twoContinuations,
		0xC: tooShort | overlong2,
		0xD: tooShort,
		0xE: tooShort | overlong3 | surrogate,
		0xF: tooShort | tooLarge | outer4,
	},
	{
		0x0: anyLow | overlong2 | overlong3 | outer4,
		0x1: anyLow | overlong2,
		0x2: anyLow,
		0x3: anyLow,
		0x4: anyLow | tooLarge,
		0x5: anyLow | tooLarge | outer4,
		0x6: anyLow | tooLarge | outer4,
		0x7: anyLow | tooLarge | outer4,
		0x8: anyLow | tooLarge | outer4,
		0x9: anyLow | tooLarge | outer4,
		0xA: anyLow | tooLarge | outer4,
		0xB: anyLow | tooLarge | outer4,
		0xC: anyLow | tooLarge | outer4,
		0xD: anyLow | tooLarge | outer4 | surrogate,
		0xE: anyLow | tooLarge | outer4,
		0xF: anyLow | tooLarge | outer4,
	},
	{
		0x0: tooShort, tooShort, tooShort, tooShort, tooShort, tooShort, tooShort, tooShort,
		0x8: anyCont | overlong3 | outer4,
		0x9: anyCont | overlong3 | tooLarge,
		0xA: anyCont | surrogate | tooLarge,
		0xB: anyCont | surrogate | tooLarge,
		0xC: tooShort, tooShort, tooShort, tooShort,
	},
}

// scanBytes are the single bytes that they spread over a vector: the mask of a low
// nibble; what leaves the top bit set in bytes from E0, and from F0, when it is taken away
// without borrowing; and the top bit.
//
//lint:ignore U1000 the assembly reads it
var scanBytes = [4]uint8{0x0F, 0xE0 - 0x80, 0xF0 - 0x80, 0x80}
