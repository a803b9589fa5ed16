// Chat is a server with rooms: every path under /rooms/ is one, and what somebody says there all in it hear.
//
//	go run ./examples/chat
//
// Then open http://localhost:8080/ in two windows. /rooms/anything is a room of its own, and comes into being with its first
// guest. Page and WebSocket have the same path on the same port: the page goes through net/http, the WebSocket stays
// on its loop.
//
// Things to look at: Routes and PathValue give the room, SetData keeps the guest with its connection, and a room is a topic: guests
// subscribe to it, what is said is published, encoded once however many hear it, and all hear it in the same order. Who comes and
// goes is told from the events of subscriptions. A guest who does not read is disconnected with 1013 once 256 KiB wait for it, and
// holds nobody up before that.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"log"
	"net"
	"net/http"
	"net/url"
	"os/signal"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/handshake"
)

//go:embed page.html
var page []byte

// maxNameBytes bounds the names of rooms and guests.
const maxNameBytes = 80

func main() {
	addr := flag.String("addr", "localhost:8080", "where to listen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("open http://%s/", ln.Addr())
	if err := run(ctx, ln); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx is done, and then sees everybody off.
func run(ctx context.Context, ln net.Listener) error {
	srv := newServer()
	go func() {
		<-ctx.Done()
		goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = srv.Shutdown(goodbye) // who has not left by then is cut off
	}()
	if err := srv.Serve(ln); !errors.Is(err, engine.ErrServerClosed) {
		return err
	}
	return nil
}

func newServer() *engine.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", http.RedirectHandler("/rooms/lobby", http.StatusSeeOther))
	mux.HandleFunc("GET /rooms/{room}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	srv := &engine.Server{
		HTTP:             mux,
		MaxMessageBytes:  4 << 10,
		MaxBufferedBytes: 256 << 10,
		MessageRate:      engine.Rate{PerSecond: 10, Burst: 30},
	}
	h := &house{server: srv}
	srv.Routes = []engine.Route{{Pattern: "/rooms/{room}", Events: &engine.Events{
		Upgrade: admit,
		Open:    func(c engine.Conn) { _ = c.Subscribe(guestOf(c).topic) }, // who is gone already subscribes to nothing
		Message: func(c engine.Conn, op codec.Opcode, payload []byte) {
			if op != codec.OpcodeText {
				_ = c.Close(codec.StatusUnsupportedData, "text only")
				return
			}
			g := guestOf(c)
			h.tell(g.topic, line{From: g.name, Text: string(payload)})
		},
		Subscribed:   func(c engine.Conn, topic string) { h.count(topic, guestOf(c).name+" joins") },
		Unsubscribed: func(c engine.Conn, topic string) { h.count(topic, guestOf(c).name+" leaves") },
	}}}
	return srv
}

// admit finds out who comes, and into which room: /rooms/lobby?name=Ada.
func admit(c engine.Conn, r *handshake.Request, w *handshake.Response) {
	query, err := url.ParseQuery(string(r.Query()))
	name, room := query.Get("name"), string(r.PathValue("room"))
	if err != nil || name == "" || !fine(name) || !fine(room) {
		_ = w.Refuse(http.StatusBadRequest, "a name, please\n")
		return
	}
	c.SetData(&guest{name, topicOf(room)})
}

func fine(name string) bool { return len(name) <= maxNameBytes && utf8.ValidString(name) }
