package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

const patience = 60 * time.Second

// start runs the program on a market whose prices the test changes.
func start(t *testing.T) (m *market, address string) {
	t.Helper()
	ln, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m = newMarket()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, m, ln) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("it does not end")
		}
	})
	return m, ln.Addr().String()
}

// poll waits until something is so.
func poll(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s", what)
		}
	}
}

// TestSlowGetsTheNewest has one viewer who reads and one who does not, for longer than what the system keeps for it.
func TestSlowGetsTheNewest(t *testing.T) {
	m, address := start(t)
	fast := make(chan price, 1<<20)
	c, err := engine.Dial(t.Context(), "ws://"+address+"/prices", engine.Events{
		Message: func(_ engine.Conn, _ codec.Opcode, payload []byte) { fast <- decode(t, payload) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort()
	slow := dialRaw(t, address)
	poll(t, "both", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return len(m.viewers) == 2 })

	// Until changes take each other's place, and then one more of each symbol.
	sent := 0
	poll(t, "prices that are replaced", func() bool {
		for range 100 {
			for _, symbol := range symbols {
				m.change(symbol, 1)
				sent++
			}
		}
		return m.dropped(t, slow.LocalAddr().String()) > 100
	})
	for _, symbol := range symbols {
		m.change(symbol, 5_000)
		sent++
	}

	// The slow one gets less, in order, and the newest of each.
	got := 0
	latest := make(map[string]price)
	for fresh := 0; fresh < len(symbols); got++ {
		p := slow.read()
		if before, ok := latest[p.Symbol]; ok && p.Number <= before.Number {
			t.Fatalf("%+v after %+v", p, before)
		}
		latest[p.Symbol] = p
		if m.now(p.Symbol) == p {
			fresh++
		}
	}
	if got >= sent {
		t.Errorf("%d of %d prices, none skipped", got, sent)
	}
	if n := m.server.Stats(); n.BufferFull != 0 || n.Connections != 2 {
		t.Errorf("%d connections, %d prices refused", n.Connections, n.BufferFull)
	}
	// And once it has caught up, every one.
	for range 100 {
		m.change("OAK", 1)
		if p := slow.read(); p != m.now("OAK") {
			t.Fatalf("%+v, expected %+v", p, m.now("OAK"))
		}
	}
	for p := range fast { // whose beginning and end are the same
		if p == m.now("OAK") {
			break
		}
	}
}

// dropped is how many prices gave way to newer ones for the viewer at an address.
func (m *market) dropped(t *testing.T, viewer string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.viewers {
		if c.RemoteAddr().String() == viewer {
			stats, err := c.Stats()
			if err != nil {
				t.Fatal(err)
			}
			return stats.Dropped
		}
	}
	t.Fatal("the slow viewer is gone")
	return 0
}

func (m *market) now(symbol string) price {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *m.prices[symbol]
}

func decode(t *testing.T, payload []byte) (p price) {
	if err := json.Unmarshal(payload, &p); err != nil {
		t.Errorf("%q: %v", payload, err)
	}
	return p
}

// A raw viewer reads when it is told to.
type raw struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

func dialRaw(t *testing.T, address string) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	r := &raw{conn, t, bufio.NewReader(conn)}
	_, err = io.WriteString(conn, "GET /prices HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(r.in, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", answer, err)
	}
	return r
}

// read returns the next price: an unfragmented text of at most 125 bytes.
func (r *raw) read() price {
	r.t.Helper()
	head := make([]byte, 2)
	if _, err := io.ReadFull(r.in, head); err != nil {
		r.t.Fatal(err)
	}
	payload := make([]byte, head[1])
	if _, err := io.ReadFull(r.in, payload); err != nil || head[0] != 0x81 {
		r.t.Fatalf("%x, %v", head, err)
	}
	return decode(r.t, payload)
}

func TestWalk(t *testing.T) {
	m, _ := start(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); m.walk(ctx, 1000) }()
	for _, symbol := range symbols {
		poll(t, "a change", func() bool { return m.now(symbol).Number > 0 })
	}
	stop()
	<-ended
}

func TestPage(t *testing.T) {
	_, address := start(t)
	answer, err := http.Get("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 || string(body) != string(page) {
		t.Errorf("%s, %d bytes, %v", answer.Status, len(body), err)
	}
	http.DefaultClient.CloseIdleConnections()
}
