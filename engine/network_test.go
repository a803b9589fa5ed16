package engine

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// A traveller is a client whose connection crosses a network, and what the server saw of it.
type traveller struct {
	*client
	fate     fate
	messages [][]byte
	wire     []byte // request head, messages and Close frame
	echoed   int
	end      error // how it came to its end
	garbled  error // an echo that is none

	// What the server's callbacks saw, on its loop until it is gone.
	received int
	closures []Closure
	wrong    error
}

// newTraveller draws messages.
func newTraveller(id int) *traveller {
	random := rand.New(rand.NewPCG(uint64(id), 7))
	v := &traveller{wire: []byte(head("/?" + strconv.Itoa(id)))}
	for range 40 {
		b := make([]byte, []int{0, 1, 125, 126, 5000}[random.IntN(5)])
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		v.messages = append(v.messages, b)
		v.wire = append(v.wire, masked(true, codec.OpcodeBinary, b)...)
	}
	v.wire = append(v.wire, closeFrame(codec.StatusNormalClosure, "")...)
	return v
}

// somewhere draws a place behind the request head, at which the Close frame is not complete.
func (v *traveller) somewhere(random *rand.Rand) int {
	least := bytes.Index(v.wire, []byte("\r\n\r\n")) + 4
	return least + random.IntN(len(v.wire)-least)
}

// TestNetworkFaults has echo clients behind a network that cuts their messages into pieces, delays them, throttles, and ends
// connections at any byte, by FIN or RST. What arrives is whole and in order; who is cut off is closed once, with 1006, and
// all others complete.
func TestNetworkFaults(t *testing.T) {
	t.Parallel()
	var travellers []*traveller
	for id := range 32 {
		travellers = append(travellers, newTraveller(id))
	}
	// Nothing but the network ends a connection.
	r := serve(t, &Server{PingInterval: never, WriteTimeout: never, Events: Events{
		Upgrade: func(c Conn, q *handshake.Request, _ *handshake.Response) {
			if id, err := strconv.Atoi(string(q.Query())); err == nil {
				c.SetData(travellers[id])
			}
		},
		Message: func(c Conn, op codec.Opcode, payload []byte) {
			c.Data().(*traveller).take(payload)
			echo(c, op, payload)
		},
		Close: func(c Conn, how Closure) {
			v := c.Data().(*traveller)
			v.closures = append(v.closures, how)
		},
	}})
	p := newProxy(t, r.addr)
	var wg sync.WaitGroup
	for id, v := range travellers {
		random := rand.New(rand.NewPCG(uint64(id), 8))
		v.fate = fate{seed: uint64(id), after: -1, piece: 1 << (4 + random.IntN(9))}
		if v.fate.piece >= 512 {
			v.fate.delay = time.Millisecond
		}
		if id%2 == 0 {
			v.fate.after, v.fate.reset = v.somewhere(random), id%4 == 0
		}
		v.client = r.adopt(p.dial(v.fate))
		wg.Go(v.travel)
	}
	wg.Wait()
	r.stop()
	for id, v := range travellers {
		if err := v.judge(); err != nil {
			t.Errorf("client %d, %+v: %v", id, v.fate, err)
		}
	}
}

// take checks what the server received.
func (v *traveller) take(payload []byte) {
	if v.received == len(v.messages) || !bytes.Equal(payload, v.messages[v.received]) {
		v.wrong = fmt.Errorf("the server received %d bytes as message %d", len(payload), v.received)
	}
	v.received++
}

// travel sends everything and reads the echoes until the end. How that may come is for judge.
func (v *traveller) travel() {
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = v.Write(v.wire)
	}()
	v.end = v.readEchoes()
	v.Close()
	<-written
}

// readEchoes returns what ended the connection, io.EOF behind the Close frame and nowhere else.
func (v *traveller) readEchoes() error {
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = v.in.ReadString('\n'); err != nil {
			return fmt.Errorf("in the head: %w", err)
		}
	}
	for {
		f, err := readFrame(v.in)
		switch {
		case err != nil:
			return fmt.Errorf("after %d echoes: %v", v.echoed, err)
		case f.op == codec.OpcodeClose && code(f.payload) == codec.StatusNormalClosure:
			_, err := io.Copy(io.Discard, v.in)
			if err == nil {
				err = io.EOF
			}
			return err
		case v.echoed == len(v.messages) || !f.fin || f.op != codec.OpcodeBinary || !bytes.Equal(f.payload, v.messages[v.echoed]):
			v.garbled = fmt.Errorf("frame %d is %v", v.echoed, f)
			return v.garbled
		}
		v.echoed++
	}
}

// judge says what should not have happened. The server is gone.
func (v *traveller) judge() error {
	cut := v.fate.after >= 0
	switch {
	case v.wrong != nil:
		return v.wrong
	case v.garbled != nil:
		return v.garbled
	case len(v.closures) != 1:
		return fmt.Errorf("%d calls of Close", len(v.closures))
	case cut && v.closures[0].Code != codec.StatusAbnormalClosure:
		return fmt.Errorf("cut off, and closed with %+v", v.closures[0])
	case cut && v.end == io.EOF:
		return fmt.Errorf("complete, though cut off after %d of %d bytes", v.fate.after, len(v.wire))
	case !cut && (v.end != io.EOF || v.echoed != len(v.messages) || v.received != len(v.messages)):
		return fmt.Errorf("%d of %d messages received, %d echoed, then %v", v.received, len(v.messages), v.echoed, v.end)
	case !cut && (v.closures[0].Code != codec.StatusNormalClosure || v.closures[0].Err != nil):
		return fmt.Errorf("closed with %+v", v.closures[0])
	}
	return nil
}
