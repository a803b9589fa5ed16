// Package benchmarks holds the servers that wsloop is measured beside. It is a module of its own, so
// that none of them is a dependency of wsloop. README.md says how each is configured, and why.
package benchmarks
