package engine_test

import (
	"context"
	"fmt"
	"log"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/handshake"
)

// An echo server.
func Example() {
	srv := &engine.Server{
		Addr: "localhost:8080",
		Events: engine.Events{
			Message: func(c engine.Conn, op codec.Opcode, payload []byte) {
				if _, err := c.Send(op, payload); err != nil {
					_ = c.Close(codec.StatusTryAgainLater, "too slow")
				}
			},
		},
	}
	log.Fatal(srv.ListenAndServe())
}

// Upgrade decides who may connect, and what it learns stays with the connection.
func ExampleEvents_upgrade() {
	type user struct{ name string }
	events := engine.Events{
		Upgrade: func(c engine.Conn, r *handshake.Request, w *handshake.Response) {
			token, ok := r.Cookie("session")
			if !ok {
				_ = w.Refuse(401, "log in first")
				return
			}
			c.SetData(&user{name: string(token)})
		},
		Message: func(c engine.Conn, op codec.Opcode, payload []byte) {
			_, _ = c.SendText("hello, " + c.Data().(*user).name)
		},
	}
	_ = engine.Server{Events: events}
}

// A message in fragments, for when its length is not known.
func ExampleConn_NewWriter() {
	message := func(c engine.Conn, _ codec.Opcode, _ []byte) {
		w, err := c.NewWriter(codec.OpcodeText)
		if err != nil {
			return
		}
		for i := range 3 {
			fmt.Fprintf(w, "line %d\n", i)
		}
		_ = w.Close()
	}
	_ = engine.Events{Message: message}
}

// A server that has stopped serves no more.
func ExampleServer_Shutdown() {
	srv := &engine.Server{Addr: "localhost:0"}
	fmt.Println(srv.Shutdown(context.Background()))
	fmt.Println(srv.ListenAndServe())
	// Output:
	// <nil>
	// engine: server closed
}
