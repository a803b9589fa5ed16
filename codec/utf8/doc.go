// Package utf8 validates the UTF-8 of text messages while they arrive.
//
// RFC 6455 section 8.1 makes a receiver fail the connection when a text message is not
// UTF-8 as RFC 3629 defines it. A message may be cut anywhere, also inside a character,
// by fragmentation or by the socket; what has to be remembered across a cut is a State,
// one byte, whose zero value stands at a character boundary.
//
// # Terms
//
// A boundary is a place where no character is open: before the first byte, and after the
// last byte of every character. A character is open while bytes of it are still missing.
//
// # Promises
//
// Advance fails at the first byte that no valid text could have at that place: C0, C1 and
// F5 to FF at once; E0 80 (overlong), ED A0 (surrogate), F0 80 (overlong) and F4 90 (above
// U+10FFFF) at their second byte, even when the input ends there. It reads only the bytes
// it is given, keeps none of them and allocates nothing.
//
// # How
//
// Short inputs, and the character that an earlier input left open, go through an automaton
// (automaton.go) that skips ASCII by words. On amd64 with AVX2, longer inputs go through
// assembly (vector_amd64.s) that classifies 32 bytes at a time, after Keiser and Lemire,
// "Validating UTF-8 in less than one instruction per byte"; with AVX-512 and its byte permutations,
// 64 bytes at a time. The purego build tag leaves the
// assembly out. No NEON routine is shipped: there was no ARM machine to measure one on, so
// on arm64, as everywhere else, the automaton does all the work.
package utf8
