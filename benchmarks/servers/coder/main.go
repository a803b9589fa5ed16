// Command coder serves an echo with github.com/coder/websocket on net/http, as internal/examples/echo of
// its repository does, less the subprotocol and the rate limit.
//
// Read and Write take the place of the example's Reader, Writer and io.Copy: those send a long message
// as many frames, and all servers here are to send one. A deadline per message is left out as well; no
// other server has one.
package main

import (
	"context"
	"log"
	"net/http"

	"github.com/coder/websocket"

	"github.com/wsloop/wsloop/benchmarks/internal/listen"
)

const maxMessageBytes = 16 << 20

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // no origin check
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
	log.Fatal(http.Serve(listen.TCP(), http.HandlerFunc(echo)))
}
