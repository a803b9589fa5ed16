//go:build linux || darwin || freebsd

package wstest_test

import (
	"fmt"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/wstest"
)

// t stands for the *testing.T of a test, which examples have none of.
var t = &printer{}

type printer struct{ failed bool }

func (*printer) Helper()                         {}
func (p *printer) Failed() bool                  { return p.failed }
func (*printer) Logf(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func (p *printer) Fatalf(format string, args ...any) {
	p.failed = true
	panic(fmt.Sprintf(format, args...))
}

// newChat is a server under test: what one says in a room all of it hear.
func newChat() *engine.Server {
	rooms := map[string][]engine.Conn{}
	return &engine.Server{
		Events: engine.Events{
			Upgrade: func(c engine.Conn, r *handshake.Request, _ *handshake.Response) {
				c.SetData(string(r.Path()))
			},
			Open: func(c engine.Conn) {
				room := c.Data().(string)
				rooms[room] = append(rooms[room], c)
			},
			Message: func(c engine.Conn, op codec.Opcode, payload []byte) {
				for _, to := range rooms[c.Data().(string)] {
					_, _ = to.Send(op, payload)
				}
			},
		},
	}
}

// A chat room: everybody in it hears, nobody else does.
func Example() {
	wstest.Run(t, newChat(), func(w *wstest.World) {
		ann, bob, eve := w.Dial("/garden"), w.Dial("/garden"), w.Dial("/cellar")
		ann.SendText("hello")
		fmt.Println(ann.ReceiveText(), bob.ReceiveText())
		eve.ExpectNothing()

		ann.Close(codec.StatusNormalClosure, "bye")
		ann.ExpectClose(codec.StatusNormalClosure)
		bob.SendText("still there?")
		fmt.Println(bob.ReceiveText())
		fmt.Println(w.Stats().Connections, "connections")
	})
	// Output:
	// hello hello
	// still there?
	// 2 connections
}

// An idle timeout of half an hour takes no time to test.
func Example_idleTimeout() {
	srv := newChat()
	srv.IdleTimeout = 30 * time.Minute
	wstest.Run(t, srv, func(w *wstest.World) {
		idle, busy := w.Dial("/"), w.Dial("/")
		for range 4 {
			w.Advance(10 * time.Minute)
			busy.SendText("tick")
			busy.ReceiveText()
		}
		fmt.Println(idle.ExpectClose(codec.StatusGoingAway).Err)
		_, closed := busy.Closed()
		fmt.Println(w.Now(), closed)
	})
	// Output:
	// EOF
	// 40m0s false
}
