//go:build race

package engine

// raceBuild makes the long tests shorter: the race detector slows them by an order of magnitude.
const raceBuild = true
