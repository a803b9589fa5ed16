//go:build !race

package mask

// stride is the step between the lengths that a table takes at one alignment.
const stride = 1
