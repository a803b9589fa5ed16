package engine

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// A Conn kept after its connection is gone does nothing, and least of all to the connection that
// has its slot now.
func TestStaleConnIsInert(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{Events: tr.events()})
	old := m.conn(tr)
	writer, err := old.NewWriter(codec.OpcodeText)
	if err != nil {
		t.Fatal(err)
	}
	old.SetData("old")
	m.data(old.token, []byte(closeFrame(codec.StatusNormalClosure, "")))
	next := m.conn(tr)
	if old.token.Slot() != next.token.Slot() || old == next {
		t.Fatalf("%v and %v are to share a slot", old, next)
	}
	if old.String() == next.String() || old.String() == (Conn{}).String() {
		t.Errorf("one name for two: %v, %v, %v", old, next, Conn{})
	}
	for _, c := range []Conn{old, {}} {
		for what, err := range map[string]error{
			"Send": errorOf(c.Send(codec.OpcodeText, []byte("x"))), "SendText": errorOf(c.SendText("x")), "Ping": c.Ping(nil),
			"Pong": c.Pong(nil), "Close": c.Close(codec.StatusNormalClosure, ""),
		} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("%v: %s returned %v", c, what, err)
			}
		}
		if _, err := c.NewWriter(codec.OpcodeText); !errors.Is(err, ErrClosed) {
			t.Errorf("%v: NewWriter returned %v", c, err)
		}
		c.Abort()
		c.SetData("stale")
		if c.Data() != nil || c.Buffered() != 0 || c.Subprotocol() != "" || c.RemoteAddr() != (netip.AddrPort{}) {
			t.Errorf("%v: %v, %d bytes, %q, %v", c, c.Data(), c.Buffered(), c.Subprotocol(), c.RemoteAddr())
		}
	}
	if _, err := writer.Write([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("Write of an old writer returned %v", err)
	}
	if err := writer.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("Close of an old writer returned %v", err)
	}
	m.turn()
	if m.gone(next.token) || next.Data() != nil {
		t.Errorf("the next connection: gone %t, data %v", m.gone(next.token), next.Data())
	}
	m.expectFrames(t, next)
	tr.expect(t)
}

// W28: what waits in the outbox when its connection ends and another takes the slot, all in one
// turn, is sent to nobody, and what was asked of the old connection is not done to the new one.
func TestOutboxOfAReusedSlotW28(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{Events: tr.events()})
	old := m.conn(tr)
	if _, err := old.SendText("secret"); err != nil {
		t.Fatal(err)
	}
	old.Abort() // asked for, and overtaken by the end
	m.Close(old.token, nil)
	m.bury()
	next := m.open()
	if next.Slot() != old.token.Slot() {
		t.Fatal("the slot was not reused")
	}
	_, _ = tr.conn.SendText("hello")
	m.turn()
	m.expectFrames(t, tr.conn, `text fin=true of 5 bytes "hello"`)
}

// W64: goroutines send through handles of connections that are closing, gone, and replaced. Every
// client must receive only what was sent to it. At least 10^6 sends; 50,000 with the race detector
// or -short.
func TestSendRacesWithCloseAndReuseW64(t *testing.T) {
	t.Parallel()
	sends, rounds := int64(1_000_000), 40
	if raceBuild || testing.Short() {
		sends, rounds = 50_000, 25
	}
	var recent [16]atomic.Pointer[named]
	var names atomic.Uint32
	s := serve(t, &Server{Loops: 2, CloseTimeout: never, Events: Events{
		Open: func(c Conn) {
			n := names.Add(1)
			c.SetData(byte(n))
			recent[n%uint32(len(recent))].Store(&named{c, byte(n)})
		},
		Message: func(c Conn, _ codec.Opcode, _ []byte) {
			if _, err := c.Send(codec.OpcodeText, []byte{c.Data().(byte)}); err != nil {
				c.Abort()
			}
		},
	}})
	var tried, sent, left atomic.Int64
	var senders, clients sync.WaitGroup
	for i := range 4 {
		left.Add(1)
		clients.Go(func() {
			defer left.Add(-1)
			random := rand.New(rand.NewPCG(3, uint64(i)))
			for range rounds {
				s.open().receiveOwn(endingKind(random.IntN(int(serverCloses))))
			}
		})
		senders.Go(func() {
			random := rand.New(rand.NewPCG(2, uint64(i)))
			for tried.Add(1) <= sends || left.Load() > 0 {
				to := recent[random.IntN(len(recent))].Load()
				if to == nil {
					continue
				}
				_, err := to.conn.Send(codec.OpcodeBinary, []byte{to.name})
				if err == nil {
					sent.Add(1)
				} else if !errors.Is(err, ErrClosed) && !errors.Is(err, ErrBufferFull) {
					t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	senders.Wait()
	t.Logf("%d of %d sends reached one of %d connections", sent.Load(), tried.Load(), names.Load())
	if sent.Load() == 0 || sent.Load() == tried.Load() {
		t.Error("the handles were all dead or all alive")
	}
}

// named is a connection and what is sent to it alone.
type named struct {
	conn Conn
	name byte
}

// receiveOwn asks for a text with the connection's name, compares what comes before it, and ends the
// connection.
func (c *client) receiveOwn(kind endingKind) {
	defer c.Close()
	c.send(codec.OpcodeText, "?")
	var all []byte
	for {
		f, err := readFrame(c.in)
		if err != nil {
			return // aborted, because the flood filled its buffer
		}
		all = append(all, f.payload...)
		if f.op == codec.OpcodeText {
			break
		}
	}
	if name := all[len(all)-1]; bytes.Count(all, []byte{name}) != len(all) {
		c.t.Errorf("connection %d received what was sent to others: %.40d", name, all)
	}
	switch kind {
	case peerCloses:
		c.Write([]byte(closeFrame(codec.StatusNormalClosure, "")))
	case peerResets:
		c.reset()
	case peerFails:
		c.Write([]byte("\xff"))
	}
}

// W75: data attached to a connection is let go when it is closed, and the next connection in the
// slot does not see it.
func TestDataEndsWithItsConnectionW75(t *testing.T) {
	type session struct{ _ [64]byte }
	var kept weak.Pointer[session]
	tr := newTrace()
	seen := make(map[string]any)
	s := &Server{Events: tr.events()}
	s.Events.Upgrade = func(c Conn, _ *handshake.Request, _ *handshake.Response) {
		seen["upgrade"] = c.Data()
		data := new(session)
		kept = weak.Make(data)
		c.SetData(data)
	}
	tr.closed = func(c Conn) { seen["close"] = c.Data() }
	m := newMemory(t, s)
	first := m.conn(tr)
	if first.Data() != any(kept.Value()) {
		t.Errorf("Data is %v", first.Data())
	}
	m.data(first.token, []byte(closeFrame(codec.StatusNormalClosure, "")))
	if seen["close"] == nil {
		t.Error("Close does not see the data")
	}
	clear(seen)
	s.Events.Upgrade = func(c Conn, _ *handshake.Request, _ *handshake.Response) { seen["upgrade"] = c.Data() }
	runtime.GC()
	if kept.Value() != nil {
		t.Error("the data is held after Close")
	}
	next := m.conn(tr)
	if next.token.Slot() != first.token.Slot() || seen["upgrade"] != nil || next.Data() != nil || first.Data() != nil {
		t.Errorf("after reuse: %v, Data %v, old Data %v", seen, next.Data(), first.Data())
	}
}

// A request that is refused leaves no data behind either.
func TestDataOfARefusedRequestW75(t *testing.T) {
	s := &Server{}
	var seen []any
	s.Events.Upgrade = func(c Conn, _ *handshake.Request, w *handshake.Response) {
		seen = append(seen, c.Data())
		c.SetData("mine")
		_ = w.Refuse(403, "no")
	}
	m := newMemory(t, s)
	for range 2 {
		c := m.open()
		m.eof(c)
		if !m.gone(c) {
			t.Fatal("still open")
		}
	}
	if len(seen) != 2 || seen[1] != nil {
		t.Errorf("the second request saw %v", seen)
	}
}
