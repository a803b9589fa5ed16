// Command wsloop serves an echo with the engine of this repository, embedded as a program of users embeds it. It is the
// server of the benchmark of allocations, which asks it what the runtime counted; the other figures are of wsloop serve.
//
// For every line on standard input it prints a line of JSON: the messages that were echoed, and the objects allocated and
// the GC cycles finished since the process began.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"sync/atomic"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"

	"github.com/wsloop/wsloop/benchmarks/internal/listen"
)

func main() {
	deflate := flag.Bool("deflate", false, "agree to permessage-deflate without context takeover")
	takeover := flag.Bool("deflate-takeover", false, "agree to permessage-deflate with context takeover")
	pair := listen.TLS()
	ln := listen.TCP()
	var messages atomic.Uint64
	go func() {
		if err := answer(os.Stdin, os.Stdout, &messages); err != nil {
			fmt.Fprintln(os.Stderr, "wsloop:", err)
		}
	}()
	server := newServer(&messages)
	if *deflate || *takeover {
		server.Deflate = &engine.Deflate{ServerContextTakeover: *takeover, ClientContextTakeover: *takeover}
	}
	if pair.Given() {
		log.Fatal(server.ServeTLS(pair.Certificate, pair.Key, ln))
	}
	log.Fatal(server.Serve(ln))
}

// newServer has every deadline on, but so long that the load generator, which answers no pings, does not meet it.
func newServer(messages *atomic.Uint64) *engine.Server {
	return &engine.Server{
		Origins:      []string{"*"},
		PingInterval: time.Hour,
		IdleTimeout:  2 * time.Hour,
		MaxLifetime:  3 * time.Hour,
		Events: engine.Events{
			Message: func(c engine.Conn, op codec.Opcode, payload []byte) {
				messages.Add(1)
				_, _ = c.Send(op, payload) // a slow peer is the policy's business
			},
		},
	}
}
