package micro

import (
	"bufio"
	"bytes"
	"io"
	"testing"

	"github.com/gobwas/ws"
	"github.com/lxzan/gws"

	"github.com/wsloop/wsloop/handshake"
)

// opening is a request such as a browser sends.
var opening = []byte("GET /chat/room?id=17 HTTP/1.1\r\n" +
	"Host: chat.example.com\r\n" +
	"Connection: Upgrade\r\n" +
	"Pragma: no-cache\r\n" +
	"Cache-Control: no-cache\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
	"Upgrade: websocket\r\n" +
	"Origin: https://chat.example.com\r\n" +
	"Sec-WebSocket-Version: 13\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-GB,en;q=0.9\r\n" +
	"Cookie: session=0123456789abcdef\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
	"\r\n")

// An opener answers one opening handshake from its bytes, and writes the answer to conn.
type opener struct {
	library string
	prepare func() func(b testing.TB, conn *wire)
}

// The libraries that leave requests to net/http have it parse this one; what its server does besides is not in the figures.
var openers = []opener{
	{"wsloop", openWsloop},
	{"coder", func() func(testing.TB, *wire) {
		in := newBuffers()
		return func(b testing.TB, conn *wire) { _ = acceptCoder(b, conn, in).CloseNow() } // nothing is open
	}},
	{"gobwas", func() func(testing.TB, *wire) {
		head := bytes.NewReader(opening)
		return func(b testing.TB, conn *wire) {
			head.Reset(opening)
			if _, err := ws.Upgrade(struct {
				io.Reader
				io.Writer
			}{head, conn}); err != nil {
				b.Fatal(err)
			}
		}
	}},
	{"gorilla", func() func(testing.TB, *wire) {
		in := newBuffers()
		return func(b testing.TB, conn *wire) { acceptGorilla(b, conn, in) }
	}},
	{"gws", func() func(testing.TB, *wire) {
		in := newBuffers()
		return func(b testing.TB, conn *wire) { acceptGWS(b, conn, in, gws.BuiltinEventHandler{}) }
	}},
}

func openWsloop() func(testing.TB, *wire) {
	var request handshake.Request
	var policy handshake.Policy
	var answer []byte
	return func(b testing.TB, conn *wire) {
		request.Reset()
		if _, err := request.Parse(opening, nil); err != nil {
			b.Fatal(err)
		}
		acceptance, err := handshake.Accept(&request, &policy)
		if err != nil {
			b.Fatal(err)
		}
		answer = handshake.AppendSwitching(answer[:0], &acceptance, nil)
		_, _ = conn.Write(answer) // a wire takes everything
	}
}

func TestOpeners(t *testing.T) {
	for _, o := range openers {
		open := o.prepare()
		for range 3 { // nothing of the one before is left
			conn := newWire([]byte{0}, 0)
			conn.record = new(bytes.Buffer)
			open(t, conn)
			answer, err := bufio.NewReader(conn.record).ReadString('\n')
			if err != nil || answer != "HTTP/1.1 101 Switching Protocols\r\n" {
				t.Errorf("%s answered %q, %v", o.library, answer, err)
			}
		}
	}
}

// BenchmarkHandshake is everything between the bytes of a request and those of the answer.
func BenchmarkHandshake(b *testing.B) {
	for _, o := range openers {
		b.Run("lib="+o.library, func(b *testing.B) {
			open, conn := o.prepare(), newWire([]byte{0}, 0)
			b.SetBytes(int64(len(opening)))
			b.ReportAllocs()
			for b.Loop() {
				open(b, conn)
			}
			if conn.written < len("HTTP/1.1 101 ") {
				b.Fatal("no answer")
			}
		})
	}
}
