package utf8

import "encoding/binary"

// The states of the automaton, after the rows of the table in RFC 3629 section 4. Each is
// a shift count, a multiple of stateBits: a row of the transition table is one word, and
// the next state is that word shifted right by the present state. One shift per byte is
// then the only dependency from byte to byte.
const (
	boundary = iota * stateBits // no character is open
	need1                       // one continuation byte is missing
	need2                       // two
	need3                       // three
	afterE0                     // A0 to BF, then one; less would be overlong
	afterED                     // 80 to 9F, then one; more would be a surrogate
	afterF0                     // 90 to BF, then two; less would be overlong
	afterF4                     // 80 to 8F, then two; more would exceed U+10FFFF
	reject                      // not UTF-8, and nothing leads out of here

	stateBits = 6
	stateMask = 1<<stateBits - 1
)

// The classes of bytes that the automaton tells apart.
const (
	ascii  = iota // 00 to 7F
	contLo        // 80 to 8F
	contMi        // 90 to 9F
	contHi        // A0 to BF
	never         // C0, C1, F5 to FF: in no valid text
	lead2         // C2 to DF
	leadE0        // E0
	lead3         // E1 to EC, EE, EF
	leadED        // ED
	leadF0        // F0
	lead4         // F1 to F3
	leadF4        // F4
)

// allReject leads from every state to reject. A transition is put into a row by changing
// reject to its target, at the place of the state it starts from: hence the exclusive or.
const (
	allReject = reject<<boundary | reject<<need1 | reject<<need2 | reject<<need3 |
		reject<<afterE0 | reject<<afterED | reject<<afterF0 | reject<<afterF4 | reject<<reject

	// continuations are the transitions that every continuation byte makes.
	continuations = allReject ^
		(boundary^reject)<<need1 ^
		(need1^reject)<<need2 ^
		(need2^reject)<<need3
)

// rows is the transition table, indexed by class. It has 16 rows so that a masked class
// is always inside it.
var rows = [16]uint64{
	ascii:  allReject ^ (boundary^reject)<<boundary,
	contLo: continuations ^ (need1^reject)<<afterED ^ (need2^reject)<<afterF4,
	contMi: continuations ^ (need1^reject)<<afterED ^ (need2^reject)<<afterF0,
	contHi: continuations ^ (need1^reject)<<afterE0 ^ (need2^reject)<<afterF0,
	never:  allReject,
	lead2:  allReject ^ (need1^reject)<<boundary,
	leadE0: allReject ^ (afterE0^reject)<<boundary,
	lead3:  allReject ^ (need2^reject)<<boundary,
	leadED: allReject ^ (afterED^reject)<<boundary,
	leadF0: allReject ^ (afterF0^reject)<<boundary,
	lead4:  allReject ^ (need3^reject)<<boundary,
	leadF4: allReject ^ (afterF4^reject)<<boundary,
}

// classes gives the class of each byte; those left out are ASCII.
var classes = [256]uint8{
	0x80: contLo, contLo, contLo, contLo, contLo, contLo, contLo, contLo,
	0x88: contLo, contLo, contLo, contLo, contLo, contLo, contLo, contLo,
	0x90: contMi, contMi, contMi, contMi, contMi, contMi, contMi, contMi,
	0x98: contMi, contMi, contMi, contMi, contMi, contMi, contMi, contMi,
	0xA0: contHi, contHi, contHi, contHi, contHi, contHi, contHi, contHi,
	0xA8: contHi, contHi, contHi, contHi, contHi, contHi, contHi, contHi,
	0xB0: contHi, contHi, contHi, contHi, contHi, contHi, contHi, contHi,
	0xB8: contHi, contHi, contHi, contHi, contHi, contHi, contHi, contHi,
	0xC0: never, never, lead2, lead2, lead2, lead2, lead2, lead2,
	0xC8: lead2, lead2, lead2, lead2, lead2, lead2, lead2, lead2,
	0xD0: lead2, lead2, lead2, lead2, lead2, lead2, lead2, lead2,
	0xD8: lead2, lead2, lead2, lead2, lead2, lead2, lead2, lead2,
	0xE0: leadE0, lead3, lead3, lead3, lead3, lead3, lead3, lead3,
	0xE8: lead3, lead3, lead3, lead3, lead3, leadED, lead3, lead3,
	0xF0: leadF0, lead4, lead4, lead4, leadF4, never, never, never,
	0xF8: never, never, never, never, never, never, never, never,
}

// run takes the automaton over all of b. It does not stop at a failure: reject holds, and
// a branch per byte would cost more than the bytes it saves.
func (s State) run(b []byte) State {
	word := uint64(s)
	// The rows of four bytes are looked up side by side; only the shifts wait for each other.
	for len(b) >= 4 {
		r0, r1, r2, r3 := row(b[0]), row(b[1]), row(b[2]), row(b[3])
		word = r0 >> (word & stateMask)
		word = r1 >> (word & stateMask)
		word = r2 >> (word & stateMask)
		word = r3 >> (word & stateMask)
		b = b[4:]
	}
	for _, c := range b {
		word = row(c) >> (word & stateMask)
	}
	return State(word & stateMask)
}

// row returns the transitions that c makes.
func row(c byte) uint64 {
	return rows[classes[c]&(uint8(len(rows))-1)]
}

// wordBytes is the size of the words by which scan looks for ASCII, and blockBytes what it
// hands to the automaton at once: one byte beyond ASCII costs its whole block.
const (
	wordBytes  = 8
	blockBytes = 32

	beyondASCII = 0x8080808080808080 // the bits that ASCII leaves clear, in every byte
)

// scan is advance in pure Go: blocks of ASCII are skipped, the others go through run.
func (s State) scan(b []byte) (State, bool) {
	// Not >=: with > the compiler knows that b[blockBytes:] is not empty, and is brief.
	for len(b) > blockBytes {
		block := b[:blockBytes]
		b = b[blockBytes:]
		if s == boundary && isASCIIBlock(block) {
			continue
		}
		if s = s.run(block); s == reject {
			return reject, false
		}
	}
	if s == boundary && isASCIIRest(b) {
		return boundary, true
	}
	s = s.run(b)
	return s, s != reject
}

// isASCIIBlock reports whether the first blockBytes bytes of b are ASCII.
func isASCIIBlock(b []byte) bool {
	all := load(b) | load(b[wordBytes:]) | load(b[2*wordBytes:]) | load(b[3*wordBytes:])
	return all&beyondASCII == 0
}

// isASCIIRest reports whether b, at most a block, is ASCII and at least a word long, or
// empty. Shorter rests are left to the automaton, which is as quick on them.
func isASCIIRest(b []byte) bool {
	if len(b) < wordBytes {
		return len(b) == 0
	}
	// The last word overlaps the one before it, so that no rest of the rest remains.
	all := load(b[len(b)-wordBytes:])
	for len(b) > wordBytes {
		all |= load(b)
		b = b[wordBytes:]
	}
	return all&beyondASCII == 0
}

// load reads a word; the order of its bytes does not matter here.
func load(b []byte) uint64 {
	return binary.LittleEndian.Uint64(b)
}
