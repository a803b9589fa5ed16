// Package runner measures servers in cells, and writes every measurement down at once.
//
//	Plan     which cells, how often, how long
//	Bench    the programs that measure, and how each scenario is measured
//	Runner   rounds: servers take turns, what others disturbed is measured again
//	Journal  the file
//
// Each measurement has a fresh server process. The server has processors of its own, and so has the client as long as there
// are enough.
package runner
