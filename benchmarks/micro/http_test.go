package micro

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
)

// A response is what net/http gives a handler, as far as an upgrade uses it. conn has what is behind the request's head.
type response struct {
	conn   *wire
	in     *bufio.ReadWriter
	header http.Header
}

func (r *response) Header() http.Header         { return r.header }
func (r *response) Write(b []byte) (int, error) { return r.conn.Write(b) }

func (r *response) WriteHeader(status int) {
	fmt.Fprintf(r.conn, "HTTP/1.1 %03d %s\r\n", status, http.StatusText(status))
	_ = r.header.Write(r.conn) // a wire takes everything
	_, _ = r.conn.Write([]byte("\r\n"))
}

func (r *response) Hijack() (net.Conn, *bufio.ReadWriter, error) { return r.conn, r.in, nil }

// accept has net/http parse the request that is at the beginning of head, and gives it to a library with a connection.
func accept(b testing.TB, head []byte, conn *wire, in *bufio.ReadWriter, upgrade func(*response, *http.Request) error) {
	in.Reader.Reset(bytes.NewReader(head))
	request, err := http.ReadRequest(in.Reader)
	if err != nil {
		b.Fatal(err)
	}
	in.Reader.Reset(conn)
	in.Writer.Reset(conn)
	if err := upgrade(&response{conn, in, make(http.Header)}, request); err != nil {
		b.Fatal(err)
	}
}

// newBuffers are of the size that net/http has.
func newBuffers() *bufio.ReadWriter {
	return bufio.NewReadWriter(bufio.NewReaderSize(nil, 4096), bufio.NewWriterSize(nil, 4096))
}

var upgrader = gorilla.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

func acceptGorilla(b testing.TB, conn *wire, in *bufio.ReadWriter) (c *gorilla.Conn) {
	accept(b, opening, conn, in, func(w *response, r *http.Request) (err error) {
		c, err = upgrader.Upgrade(w, r, nil)
		return err
	})
	return c
}

func acceptCoder(b testing.TB, conn *wire, in *bufio.ReadWriter) (c *coder.Conn) {
	accept(b, opening, conn, in, func(w *response, r *http.Request) (err error) {
		c, err = coder.Accept(w, r, &coder.AcceptOptions{InsecureSkipVerify: true})
		return err
	})
	return c
}

func acceptGWS(b testing.TB, conn *wire, in *bufio.ReadWriter, events gws.Event) (c *gws.Conn) {
	u := gws.NewUpgrader(events, nil)
	accept(b, opening, conn, in, func(w *response, r *http.Request) (err error) {
		c, err = u.UpgradeFromConn(w.conn, in.Reader, r)
		return err
	})
	return c
}
