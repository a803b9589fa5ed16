// Ticker sends prices to everybody who looks, and to those who are slow only the newest.
//
//	go run ./examples/ticker            # eight prices, 200 changes a second
//	go run ./examples/ticker -rate 20000
//
// Then open http://localhost:8080/. The page counts the changes that it never saw: each price carries its number. With
// -rate 20000, press "Do nothing for five seconds": the tab does not read meanwhile, the system's buffers on the way fill up, and
// from then on only the latest price of each symbol waits for it.
//
// Things to look at: OverflowKeepLatest with the symbol as Delivery.Key, so that a price takes the place of the one that
// still waits; and Prepare, which encodes a price once for everybody. What waits for a slow client is at most one price
// for each symbol, whatever the rate and however long it sleeps. What is in the system's buffers cannot be replaced any more, so
// listen keeps those small.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/wsloop/wsloop/engine"
)

//go:embed page.html
var page []byte

var symbols = []string{"ASH", "BIRCH", "CEDAR", "ELM", "FIR", "LARCH", "OAK", "YEW"}

func main() {
	addr := flag.String("addr", "localhost:8080", "where to listen")
	rate := flag.Int("rate", 200, "changes a second")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ln, err := listen(*addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("open http://%s/", ln.Addr())
	m := newMarket()
	go m.walk(ctx, *rate)
	if err := run(ctx, m, ln); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, m *market, ln net.Listener) error {
	go func() {
		<-ctx.Done()
		goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = m.server.Shutdown(goodbye) // who has not left by then is cut off
	}()
	if err := m.server.Serve(ln); !errors.Is(err, engine.ErrServerClosed) {
		return err
	}
	return nil
}

func newServer(m *market) *engine.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	return &engine.Server{
		HTTP:             mux,
		Overflow:         engine.Overflow{Policy: engine.OverflowKeepLatest},
		MaxBufferedBytes: 256 << 10, // of a burst 64 KiB are on their way at once, and what waits behind them needs room, too
		MaxMessageBytes:  1,         // nobody has anything to say
		Routes: []engine.Route{{Pattern: "/prices", Events: &engine.Events{
			Open:  m.join,
			Close: func(c engine.Conn, _ engine.Closure) { m.leave(c) },
		}}},
	}
}

// walk changes a price at random, rate times a second.
func (m *market) walk(ctx context.Context, rate int) {
	const ticks = 100 // a second
	ticker := time.NewTicker(time.Second / ticks)
	defer ticker.Stop()
	for due := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for due += rate; due >= ticks; due -= ticks {
			m.change(symbols[rand.IntN(len(symbols))], rand.IntN(201)-100)
		}
	}
}
