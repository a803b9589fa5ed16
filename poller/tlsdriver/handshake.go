package tlsdriver

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// inputBytes bounds what a handshake holds of its peer's bytes: the longest record, and something behind it.
const inputBytes = 32 << 10

// handshake is a connection that is not secured yet. The loop appends to its input and sends its output; a goroutine, once there
// is one, does the opposite.
type handshake struct {
	conn       *conn
	prev, next *handshake    // in layer.oldest; the loop's
	began      time.Duration // on the loop's clock
	linked     bool
	paused     bool // the inner connection is, because input is full; the loop's

	tls     *tls.Conn // nil before the goroutine; then the goroutine's until done
	context context.Context
	cancel  context.CancelFunc
	signal  chan struct{} // of capacity 1: something changed that read waits for
	turn    bool          // the goroutine is one of those that compute; the goroutine's
	waiting atomic.Bool   // it waits for its peer, and so may be evicted

	mu     sync.Mutex // guards what follows
	in     []byte     // from the buffers of the layer
	offset int        // of what the goroutine has not taken
	left   int        // bytes of a record that it has begun to take
	eof    bool       // the peer sent FIN
	full   bool       // the loop had to leave bytes
	out    []byte
	ended  bool // the connection is gone
	posted bool // in layer.posted
	done   bool // the goroutine is over
	err    error
}

func newHandshake(c *conn) *handshake {
	h := &handshake{conn: c}
	h.waiting.Store(true)
	return h
}

// start begins the goroutine.
func (h *handshake) start(conn *tls.Conn) {
	h.tls = conn
	h.signal = make(chan struct{}, 1)
	h.context, h.cancel = context.WithCancel(context.Background())
	h.waiting.Store(false)
	h.conn.layer.driver.running.Go(h.run)
}

// run is the goroutine.
func (h *handshake) run() {
	err := h.perform()
	h.cancel()
	h.mu.Lock()
	h.done, h.err = true, err
	h.mu.Unlock()
	h.post()
}

// perform recovers what callbacks of the config panic with.
func (h *handshake) perform() (err error) {
	defer func() {
		if h.turn {
			h.giveTurn()
		}
		if p := recover(); p != nil {
			err = fmt.Errorf("tlsdriver: a callback of the config panicked: %v", p)
		}
	}()
	if !h.takeTurn() {
		return errEnded
	}
	return h.tls.HandshakeContext(h.context)
}

// takeTurn waits until fewer than Options.Handshakes compute. Who gets the turn of another runs next on that one's processor, for which a loop may be
// waiting: it steps back behind the loop, so that no loop waits for more than one stretch of computing. Who does not have to wait does not step
// back: the loop would keep the processor for its short wait.
func (h *handshake) takeTurn() bool {
	select {
	case h.conn.layer.driver.turns <- struct{}{}:
		h.turn = true
		return true
	default:
	}
	select {
	case h.conn.layer.driver.turns <- struct{}{}:
		h.turn = true
		runtime.Gosched()
		return true
	case <-h.context.Done():
		return false
	}
}

func (h *handshake) giveTurn() {
	h.turn = false
	<-h.conn.layer.driver.turns
}

// read gives the goroutine bytes of one record at a time, so that crypto/tls has nothing left when the handshake is over.
// While there is no whole record it waits, and another handshake may compute.
func (h *handshake) read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		input := h.in[h.offset:]
		if h.left == 0 {
			if n, whole := record(input); whole {
				h.left = n
			}
		}
		switch {
		case h.ended:
			return 0, errEnded
		case h.left > 0:
			n := copy(b, input[:h.left])
			h.left -= n
			h.offset += n
			if h.full {
				h.postLocked()
			}
			return n, nil
		case h.eof && len(input) == 0:
			return 0, io.EOF
		case h.eof:
			return 0, io.ErrUnexpectedEOF
		}
		if !h.wait() {
			return 0, errEnded
		}
	}
}

// wait gives the turn up until something changed. mu is held, but not meanwhile.
func (h *handshake) wait() bool {
	h.mu.Unlock()
	defer h.mu.Lock()
	h.giveTurn()
	h.waiting.Store(true)
	<-h.signal
	h.waiting.Store(false)
	return h.takeTurn()
}

// write keeps what crypto/tls sends for the loop.
func (h *handshake) write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return 0, errEnded
	}
	h.out = append(h.out, b...)
	h.postLocked()
	return len(b), nil
}

// post has the loop look at the handshake.
func (h *handshake) post() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.postLocked()
}

func (h *handshake) postLocked() {
	if !h.posted {
		h.posted = true
		h.conn.layer.post(h)
	}
}

// wake has read look again.
func (h *handshake) wake() {
	select {
	case h.signal <- struct{}{}:
	default:
	}
}

// end has the goroutine, if there is one, end soon. Any goroutine.
func (h *handshake) end() {
	h.mu.Lock()
	ended := h.ended
	h.ended = true
	h.mu.Unlock()
	if !ended && h.cancel != nil {
		h.cancel()
		h.wake()
	}
}
