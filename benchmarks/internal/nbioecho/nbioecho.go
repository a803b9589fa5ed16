// Package nbioecho is the echo that both modes of github.com/lesismal/nbio serve: the engine of the
// repository's iomod example, with callbacks as in its websocket example.
package nbioecho

import (
	"log"
	"net"
	"net/http"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"

	"github.com/wsloop/wsloop/benchmarks/internal/listen"
)

// maxConnections lifts the engine's default of 10,000.
const maxConnections = 1_000_000

// maxFrameBytes lifts the default of 32 KiB, from where on a message would be sent as several frames.
const maxFrameBytes = 16 << 20

// Serve serves until the process ends. ioMod is one of the nbhttp.IOMod constants.
func Serve(ioMod int) {
	logging.SetLevel(logging.LevelError) // the engine prints addresses of its own
	upgrader := newUpgrader()
	engine := nbhttp.NewEngine(nbhttp.Config{
		Network:                 "tcp",
		Addrs:                   []string{listen.Addr()},
		Listen:                  announced,
		MaxLoad:                 maxConnections,
		ReleaseWebsocketPayload: true,
		IOMod:                   ioMod,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = upgrader.Upgrade(w, r, nil) // has answered when it fails
		}),

		MaxWebsocketFramePayloadSize: maxFrameBytes,
	})
	upgrader.Engine = engine // or blocking connections have the limits of a default one
	if err := engine.Start(); err != nil {
		log.Fatal(err)
	}
	select {}
}

func announced(network, addr string) (net.Listener, error) {
	ln, err := net.Listen(network, addr)
	if err == nil {
		listen.Announce(ln.Addr())
	}
	return ln, err
}

// newUpgrader has two settings of the author's own benchmark: no deadline of two minutes for reading,
// and blocking connections write on the goroutine that reads, as the other way is meant for broadcasts.
func newUpgrader() *websocket.Upgrader {
	u := websocket.NewUpgrader()
	u.CheckOrigin = func(*http.Request) bool { return true }
	u.KeepaliveTime = 0
	u.BlockingModAsyncWrite = false
	u.OnMessage(func(c *websocket.Conn, kind websocket.MessageType, payload []byte) {
		_ = c.WriteMessage(kind, payload) // nbio closes c itself when that fails
	})
	return u
}
