//go:build !race

package tlsdriver_test

const raceEnabled = false
