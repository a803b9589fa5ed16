// Command gorilla serves an echo with github.com/gorilla/websocket on net/http, as its examples/echo
// does: default buffers, ReadMessage and WriteMessage on the handler's goroutine. With -deflate it compresses every message, as
// its documentation has it; it knows no context takeover. With -tls-cert it is net/http that speaks TLS.
package main

import (
	"flag"
	"log"
	"net/http"

	"github.com/gorilla/websocket"

	"github.com/wsloop/wsloop/benchmarks/internal/listen"
)

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
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
	all := flag.Bool("broadcast", false, "send every message to all connections")
	flag.BoolVar(&upgrader.EnableCompression, "deflate", false, "agree to permessage-deflate")
	pair := listen.TLS()
	ln := listen.TCP()
	handler := echo
	if *all {
		handler = newHub().serve
	}
	log.Fatal(pair.Serve(ln, http.HandlerFunc(handler)))
}
