// Package program runs the programs of a measurement, each on processors of its own.
package program
