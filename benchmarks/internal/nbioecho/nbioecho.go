// Package nbioecho is the echo that both modes of github.com/lesismal/nbio serve: the engine of the
// repository's iomod example, with callbacks as in its websocket example. With -tls-cert it speaks TLS with the library that nbio
// is made for: crypto/tls of an earlier Go, changed so that pollers can feed it.
package nbioecho

import (
	"log"
	"net"
	"net/http"

	"github.com/lesismal/llib/std/crypto/tls"
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
	pair := listen.TLS()
	config := nbhttp.Config{
		Network:                 "tcp",
		Listen:                  announced,
		MaxLoad:                 maxConnections,
		ReleaseWebsocketPayload: true,
		IOMod:                   ioMod,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = upgrader.Upgrade(w, r, nil) // has answered when it fails
		}),

		MaxWebsocketFramePayloadSize: maxFrameBytes,
	}
	if addrs := []string{listen.Addr()}; pair.Given() {
		config.AddrsTLS, config.TLSConfig = addrs, secure(pair)
	} else {
		config.Addrs = addrs
	}
	engine := nbhttp.NewEngine(config)
	upgrader.Engine = engine // or blocking connections have the limits of a default one
	if err := engine.Start(); err != nil {
		log.Fatal(err)
	}
	select {}
}

// secure is a config as in the repository's TLS examples.
func secure(pair *listen.Pair) *tls.Config {
	certificate, err := tls.LoadX509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		log.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}}
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
