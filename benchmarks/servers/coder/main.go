// Command coder serves an echo with github.com/coder/websocket on net/http, as internal/examples/echo of
// its repository does, less the subprotocol and the rate limit.
//
// Read and Write take the place of the example's Reader, Writer and io.Copy: those send a long message
// as many frames, and all servers here are to send one. A deadline per message is left out as well; no
// other server has one.
//
// With -deflate, messages of 512 bytes or more are compressed, and with -deflate-takeover those of 128: the library's defaults.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"

	"github.com/coder/websocket"

	"github.com/wsloop/wsloop/benchmarks/internal/listen"
)

const maxMessageBytes = 16 << 20

var options = websocket.AcceptOptions{InsecureSkipVerify: true} // no origin check

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &options)
	if err != nil {
		return // Accept has answered
	}
	defer c.CloseNow()
	c.SetReadLimit(maxMessageBytes)
	ctx := context.Background() // not the request's, says the documentation of http.Hijacker
	for {
		kind, payload, err := c.Read(ctx)
		if err != nil {
			return
		}
		if err := c.Write(ctx, kind, payload); err != nil {
			return
		}
	}
}

func main() {
	deflate := flag.Bool("deflate", false, "agree to permessage-deflate without context takeover")
	takeover := flag.Bool("deflate-takeover", false, "agree to permessage-deflate with context takeover")
	ln := listen.TCP()
	switch {
	case *takeover:
		options.CompressionMode = websocket.CompressionContextTakeover
	case *deflate:
		options.CompressionMode = websocket.CompressionNoContextTakeover
	}
	log.Fatal(http.Serve(ln, http.HandlerFunc(echo)))
}
