//go:build linux

// Command greatws serves an echo with github.com/antlabs/greatws, as its README does: net/http for the
// handshake, then its event loops, as many as it thinks fit, with 256 events a turn. Left out are the
// read timeout of five seconds and the timer for each write; no other server has them.
package main

import (
	"log"
	"log/slog"
	"net/http"

	"github.com/antlabs/greatws"

	"github.com/wsloop/wsloop/benchmarks/internal/listen"
)

type echo struct{ greatws.DefCallback }

func (*echo) OnMessage(c *greatws.Conn, op greatws.Opcode, payload []byte) {
	if op == greatws.Ping {
		return // answered, and passed on all the same
	}
	_ = c.WriteMessage(op, payload) // greatws closes c itself when that fails
}

func main() {
	loops := greatws.NewMultiEventLoopMust(
		greatws.WithEventLoops(0),
		greatws.WithMaxEventNum(256),
		greatws.WithLogLevel(slog.LevelError),
	)
	loops.Start()
	upgrader := greatws.NewUpgrade(
		greatws.WithServerReplyPing(),
		greatws.WithServerIgnorePong(),
		greatws.WithServerCallback(&echo{}),
		greatws.WithServerMultiEventLoop(loops),
	)
	log.Fatal(http.Serve(listen.TCP(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = upgrader.Upgrade(w, r) // answers itself when it fails
	})))
}
