// Command fasthttp serves an echo with github.com/fasthttp/websocket on fasthttp, as its
// _examples/echo/fasthttp does: default buffers, ReadMessage and WriteMessage on the goroutine that
// fasthttp gives to the connection.
package main

import (
	"log"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"github.com/wsloop/wsloop/benchmarks/internal/listen"
)

var upgrader = websocket.FastHTTPUpgrader{CheckOrigin: func(*fasthttp.RequestCtx) bool { return true }}

func echo(c *websocket.Conn) {
	defer c.Close()
	for {
		kind, payload, err := c.ReadMessage()
		if err != nil {
			return
		}
		if err := c.WriteMessage(kind, payload); err != nil {
			return
		}
	}
}

func main() {
	log.Fatal(fasthttp.Serve(listen.TCP(), func(ctx *fasthttp.RequestCtx) {
		_ = upgrader.Upgrade(ctx, echo) // has answered when it fails
	}))
}
