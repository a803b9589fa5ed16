//go:build race

package deflate

// raceEnabled says that sync.Pool drops at random what it is given.
const raceEnabled = true
