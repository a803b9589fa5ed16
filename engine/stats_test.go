package engine

import (
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// counted are the stats without the limits in force and the memory held.
func (s *Server) counted() Stats {
	stats := s.Stats()
	stats.MaxConnections, stats.MaxMemory, stats.Memory = 0, 0, 0
	return stats
}

// Every counter moves by exactly what happened.
func TestStats(t *testing.T) {
	s := &Server{MaxBufferedBytes: 100, CloseTimeout: time.Second, Events: Events{
		Message: func(c Conn, op codec.Opcode, payload []byte) {
			if string(payload) == "panic" {
				panic(payload)
			}
			echo(c, op, payload)
		},
		Plain: func(*handshake.Request, *Page) {},
	}}
	m := newMemory(t, s)
	want := Stats{}
	expect := func(after string) {
		t.Helper()
		if got := s.counted(); got != want {
			t.Errorf("after %s: %+v, want %+v", after, got, want)
		}
	}
	expect("nothing")
	slow := m.accept()
	want.Connections++
	expect("accept")
	a, b := m.open(), m.open()
	want.Connections, want.Handshakes = 3, 2
	expect("two handshakes")
	m.data(a, []byte(masked(true, codec.OpcodeText, "hello")))
	expect("an echo")
	m.data(a, []byte(masked(true, codec.OpcodeText, string(make([]byte, 101)))))
	want.BufferFull++
	expect("a refused Send")
	m.data(a, []byte("\xff"))
	want.ProtocolErrors++
	expect("a protocol error")
	m.eof(a)
	want.Connections--
	expect("its end")
	m.data(b, []byte(masked(true, codec.OpcodeText, "panic")))
	want.Panics++
	expect("a panic")
	m.pass(time.Second + 2*tick)
	want.Connections--
	want.CloseTimeouts++
	expect("a peer that does not answer 1011")
	m.request(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	want.Plain++
	expect("a page")
	m.request(t, "nonsense\r\n\r\n")
	want.Refused++
	expect("a refusal")
	m.pass(DefaultHandshakeTimeout - time.Second)
	want.Refused++
	want.HandshakeTimeouts++
	expect("408")
	m.eof(slow)
	want.Connections--
	expect("the end")
	c := m.open()
	want.Connections++
	want.Handshakes++
	m.data(c, []byte(closeFrame(codec.StatusNormalClosure, "")))
	want.Connections--
	expect("a proper close")
}

// What the driver counts is told too.
func TestStatsOfTheDriver(t *testing.T) {
	driver, err := poller.NewNative(poller.Options{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer driver.Stop()
	s := &Server{driver: driver}
	driver.Stats().AcceptErrors.Add(3)
	if got := s.Stats(); got != (Stats{AcceptErrors: 3}) {
		t.Errorf("got %+v", got)
	}
}
