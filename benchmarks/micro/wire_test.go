package micro

import (
	"bytes"
	"io"
	"net"
	"time"
)

// A wire is a connection without a network: what its peer sent is there from the start.
type wire struct {
	sent    []byte        // by the peer; repeated as often as left says
	next    int           // position within sent
	left    int           // bytes until the end
	written int           // bytes
	record  *bytes.Buffer // of what is written; may be nil
}

// newWire has the peer send a message so many times.
func newWire(message []byte, times int) *wire {
	// So many at once that no read is cut short more often than the reader's buffer makes it.
	copies := max(1, 65536/len(message))
	return &wire{sent: bytes.Repeat(message, copies), left: len(message) * times}
}

func (w *wire) Read(b []byte) (int, error) {
	if w.left == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), w.left)], w.sent[w.next:])
	w.next = (w.next + n) % len(w.sent)
	w.left -= n
	return n, nil
}

func (w *wire) Write(b []byte) (int, error) {
	w.written += len(b)
	if w.record != nil {
		w.record.Write(b)
	}
	return len(b), nil
}

func (w *wire) Close() error        { return nil }
func (w *wire) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (w *wire) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000} }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
