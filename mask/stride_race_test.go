//go:build race

package mask

// stride is the step between the lengths that a table takes at one alignment. Nothing
// here is concurrent and the race detector makes word loops very slow, so under it each
// alignment takes a share of the lengths, and all of them together take every one.
const stride = 13
