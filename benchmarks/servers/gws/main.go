// Command gws serves an echo with github.com/lxzan/gws on net/http, as its examples/echo does, less
// compression: UTF-8 checked, panics recovered, and ReadLoop on a goroutine of its own, which lets go of
// the request. ParallelEnabled, of the README, would change the order of messages.
//
// With -deflate, messages of 512 bytes or more are compressed, the library's default; with -deflate-takeover, as in the example,
// all of them, with the windows of 4 KiB that are its default for that. With -tls-cert it is net/http that speaks TLS.
package main

import (
	"flag"
	"log"
	"net/http"
	"sync"

	"github.com/lxzan/gws"

	"github.com/wsloop/wsloop/benchmarks/internal/listen"
)

type echo struct{ gws.BuiltinEventHandler }

func (echo) OnPing(c *gws.Conn, payload []byte) { _ = c.WritePong(payload) }

func (echo) OnMessage(c *gws.Conn, message *gws.Message) {
	defer message.Close()
	_ = c.WriteMessage(message.Opcode, message.Bytes()) // gws closes c itself when that fails
}

// broadcast sends every message to all connections with a Broadcaster, as the README does.
type broadcast struct {
	echo
	mu    sync.RWMutex
	conns map[*gws.Conn]struct{}
}

func (b *broadcast) OnOpen(c *gws.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conns[c] = struct{}{}
}

func (b *broadcast) OnClose(c *gws.Conn, _ error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
}

func (b *broadcast) OnMessage(_ *gws.Conn, message *gws.Message) {
	defer message.Close()
	out := gws.NewBroadcaster(message.Opcode, message.Bytes())
	defer out.Close()
	b.mu.RLock()
	defer b.mu.RUnlock()
	for c := range b.conns {
		_ = out.Broadcast(c) // queues; gws closes c itself when writing fails
	}
}

func main() {
	all := flag.Bool("broadcast", false, "send every message to all connections")
	deflate := flag.Bool("deflate", false, "agree to permessage-deflate without context takeover")
	takeover := flag.Bool("deflate-takeover", false, "agree to permessage-deflate with context takeover")
	pair := listen.TLS()
	ln := listen.TCP()
	var events gws.Event = echo{}
	if *all {
		events = &broadcast{conns: make(map[*gws.Conn]struct{})}
	}
	upgrader := gws.NewUpgrader(events, &gws.ServerOption{
		CheckUtf8Enabled: true, Recovery: gws.Recovery,
		PermessageDeflate: gws.PermessageDeflate{
			Enabled:               *deflate || *takeover,
			ServerContextTakeover: *takeover,
			ClientContextTakeover: *takeover,
		},
	})
	log.Fatal(pair.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		go c.ReadLoop()
	})))
}
