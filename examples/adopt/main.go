// Adopt adds WebSockets to a net/http server that has routes, middleware and sessions already: one handler calls
// Server.Upgrade, and everything before it stays as it was.
//
//	go run ./examples/adopt
//
// Then open http://localhost:8080/ in two windows, log in, and say something: all windows of the same user hear it. Log out in one of
// them, and the WebSockets of that session are closed, whichever window they are in. Without a session, and
// from a page of another site, there is no WebSocket:
//
//	curl -i http://localhost:8080/socket
//
// Things to look at: the middleware wraps the ResponseWriter, which is fine because its Unwrap lets the connection be taken over; the
// field that it sets is in the answer with status 101; and what the handler knows of the user comes along as Data. When the
// handler returns, net/http's goroutine and buffers are gone.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

//go:embed page.html
var page []byte

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

// run serves until ctx is done: first no more requests are taken, then the WebSockets are closed.
func run(ctx context.Context, ln net.Listener) error {
	s := &site{sessions: make(map[string]*session)}
	s.sockets = &engine.Server{Events: engine.Events{Open: s.open, Message: s.message, Close: s.close}}
	if err := s.sockets.Start(); err != nil { // without a listener: its connections come by Upgrade
		return err
	}
	web := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- errors.Join(web.Shutdown(goodbye), s.sockets.Shutdown(goodbye))
	}()
	if err := web.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(err, s.sockets.Close())
	}
	return <-stopped
}

// handler is the site as it was, but for the route of the socket.
func (s *site) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /logout", s.logout)
	mux.HandleFunc("GET /socket", s.socket)
	return logged(http.NewCrossOriginProtection().Handler(mux))
}

// socket is the one new handler. Upgrade checks that the page is of this site (Server.Origins), and answers whatever happens.
func (s *site) socket(w http.ResponseWriter, r *http.Request) {
	session := s.sessionOf(r)
	if session == nil {
		http.Error(w, "log in first", http.StatusUnauthorized)
		return
	}
	if err := s.sockets.Upgrade(w, r, &engine.UpgradeOptions{Data: session}); err != nil {
		slog.Warn("no WebSocket", "user", session.user, "error", err)
	}
}

// message is called on a loop, and must not block.
func (s *site) message(c engine.Conn, op codec.Opcode, payload []byte) {
	s.tell(c.Data().(*session).user, op, payload)
}

// logged is middleware of the usual kind: it wraps the writer to learn the status.
func logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, watched := time.Now(), &statusWriter{ResponseWriter: w}
		w.Header().Set("X-Served-By", "adopt")
		next.ServeHTTP(watched, r)
		slog.Info("request", "method", r.Method, "path", r.URL.Path, "status", watched.status, "took", time.Since(began))
	})
}

// A statusWriter notes the status. That of a WebSocket stays 0, for it is answered on a loop.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is how http.ResponseController, and with it Upgrade, finds the writer that can be hijacked.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
