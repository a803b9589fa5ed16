package micro

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/lxzan/gws"

	"github.com/wsloop/wsloop/codec"
)

// A receiver reads messages from an opened connection until its end, unmasked and whole, and returns how many
// they were and their bytes.
type receiver struct {
	library string
	receive func(b testing.TB, conn *wire) (messages, payloadBytes int)
}

// Those that a program can use on a connection of its own, each as its server in ../servers reads.
var receivers = []receiver{
	{"wsloop", receiveWsloop},
	{"coder", receiveCoder},
	{"gobwas", receiveGobwas},
	{"gorilla", receiveGorilla},
	{"gws", receiveGWS},
}

func receiveWsloop(b testing.TB, conn *wire) (messages, payloadBytes int) {
	var d codec.Decoder
	var a codec.Assembler
	limits := codec.Limits{MessageBytes: 1 << 20, Fragments: 1 << 16}
	buf := make([]byte, 65536) // as a loop has one for all its connections
	for {
		n, err := conn.Read(buf)
		if err == io.EOF {
			return messages, payloadBytes
		}
		for rest := buf[:n]; len(rest) > 0; {
			m, used, ok, err := a.Next(&d, rest, &limits)
			if err != nil {
				b.Fatal(err)
			}
			if ok {
				messages++
				payloadBytes += len(m.Payload)
			}
			rest = rest[used:]
		}
	}
}

func receiveCoder(b testing.TB, conn *wire) (messages, payloadBytes int) {
	c := acceptCoder(b, conn, newBuffers())
	defer c.CloseNow()
	c.SetReadLimit(1 << 20)
	for {
		_, payload, err := c.Read(context.Background())
		if err != nil {
			return messages, payloadBytes
		}
		messages++
		payloadBytes += len(payload)
	}
}

func receiveGobwas(_ testing.TB, conn *wire) (messages, payloadBytes int) {
	p := struct {
		io.Reader
		io.Writer
	}{bufio.NewReader(conn), conn}
	for {
		payload, _, err := wsutil.ReadClientData(p)
		if err != nil {
			return messages, payloadBytes
		}
		messages++
		payloadBytes += len(payload)
	}
}

func receiveGorilla(b testing.TB, conn *wire) (messages, payloadBytes int) {
	c := acceptGorilla(b, conn, newBuffers())
	for {
		_, payload, err := c.ReadMessage()
		if err != nil {
			return messages, payloadBytes
		}
		messages++
		payloadBytes += len(payload)
	}
}

// tally counts what gws calls back for.
type tally struct {
	gws.BuiltinEventHandler
	messages, payloadBytes int
}

func (t *tally) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	t.messages++
	t.payloadBytes += len(m.Bytes())
}

func receiveGWS(b testing.TB, conn *wire) (messages, payloadBytes int) {
	t := new(tally)
	acceptGWS(b, conn, newBuffers(), t).ReadLoop()
	return t.messages, t.payloadBytes
}

func frame(payloadLen int) []byte {
	return ws.MustCompileFrame(ws.MaskFrameWith(ws.NewBinaryFrame(make([]byte, payloadLen)), [4]byte{0x37, 0xfa, 0x21, 0x3d}))
}

func TestReceivers(t *testing.T) {
	for _, r := range receivers {
		for _, n := range []int{0, 125, 70_000} {
			messages, payloadBytes := r.receive(t, newWire(frame(n), 100))
			if messages != 100 || payloadBytes != 100*n {
				t.Errorf("%s received %d messages and %d bytes, want 100 of %d", r.library, messages, payloadBytes, n)
			}
		}
	}
}

// BenchmarkReceive is everything between the bytes of a connection and a whole, unmasked message.
func BenchmarkReceive(b *testing.B) {
	for _, n := range []int{125, 1024, 16384} {
		for _, r := range receivers {
			b.Run(fmt.Sprintf("bytes=%d/lib=%s", n, r.library), func(b *testing.B) {
				b.SetBytes(int64(n))
				b.ReportAllocs()
				// By b.N, as some libraries read until the end on their own.
				if messages, _ := r.receive(b, newWire(frame(n), b.N)); messages != b.N {
					b.Fatalf("%d messages instead of %d", messages, b.N)
				}
			})
		}
	}
}
