// Command nbio-blocking serves an echo with github.com/lesismal/nbio in the mode that its README names
// for fewer connections: a goroutine per connection reads and runs the callbacks.
package main

import (
	"github.com/lesismal/nbio/nbhttp"

	"github.com/wsloop/wsloop/benchmarks/internal/nbioecho"
)

func main() { nbioecho.Serve(nbhttp.IOModBlocking) }
