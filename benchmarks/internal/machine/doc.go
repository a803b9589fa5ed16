// Package machine tells what the benchmarks run on, and who uses it. Only Linux says all that is asked here.
package machine
