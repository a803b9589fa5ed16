package deflate

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"testing"
)

// peer is an implementation that others wrote.
type peer interface {
	// talk is the client's part: it opens a connection, says what spec wants and closes it.
	talk(ctx context.Context, url string, s setting, spec talkSpec) (told, error)
	// listen starts an echo server with these options, and returns its address.
	listen(ctx context.Context, s setting) (host string, stop func(), err error)
}

// library is a Go library.
type library struct {
	dial   func(ctx context.Context, url string, s setting) (socket, error)
	handle func(s setting) http.Handler
}

// libraries are those that run in this process.
var libraries = map[string]peer{
	"gorilla": &library{dialGorilla, serveGorilla},
	"coder":   &library{dialCoder, serveCoder},
	"gws":     &library{dialGWS, serveGWS},
}

func (l *library) talk(ctx context.Context, url string, s setting, spec talkSpec) (told, error) {
	conn, err := l.dial(ctx, url, s)
	if err != nil {
		return told{}, err
	}
	defer conn.drop()
	return talk(conn, spec), nil
}

func (l *library) listen(_ context.Context, s setting) (host string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: l.handle(s), ErrorLog: log.New(io.Discard, "", 0)}
	if s.TLS != nil {
		listener = tls.NewListener(listener, s.TLS.server())
	}
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String(), func() { server.Close() }, nil
}

// remotes are the peers of other processes, by the name of the variable with the command that starts one.
var remotes = map[string]string{
	"ws": "INTEROP_WS", "undici": "INTEROP_UNDICI", "bun": "INTEROP_BUN", "python": "INTEROP_PYTHON",
	"chromium": "INTEROP_CHROMIUM", "firefox": "INTEROP_FIREFOX",
}

// peers are all that can be run: without a script, only libraries. Browsers are told to take a certificate, if it is not nil.
func peers(t *testing.T, take *taken) map[string]peer {
	t.Helper()
	all := map[string]peer{}
	for name, variable := range remotes {
		if p := startRemote(t, name, variable, take); p != nil {
			all[name] = p
		}
	}
	if !onlyRemotes() {
		for name, l := range libraries {
			all[name] = l
		}
	}
	return all
}
