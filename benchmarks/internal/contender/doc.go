// Package contender knows the servers that are compared: how each is built, started and called.
//
// A program that cannot be had, because npm or a compiler is missing or it does not build, is no reason to
// stop: its Server has Err, and the results say so.
package contender
