// Package generator runs the load generators: the one in C (scripts/bench/load), which is lighter than any server and
// measures no latency, and wsloop load, which does.
package generator
