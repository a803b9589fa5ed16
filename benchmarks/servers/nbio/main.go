// Command nbio serves an echo with github.com/lesismal/nbio in its default mode: connections are read by
// pollers, and callbacks run on a pool of goroutines.
package main

import (
	"github.com/lesismal/nbio/nbhttp"

	"github.com/wsloop/wsloop/benchmarks/internal/nbioecho"
)

func main() { nbioecho.Serve(nbhttp.IOModNonBlocking) }
