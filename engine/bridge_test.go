package engine

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine/internal/topic"
)

// exchange joins servers in one process.
type exchange struct {
	mu    sync.Mutex
	ports []*port
}

// port is the bridge of one server.
type port struct {
	*exchange
	to       BridgeReceiver
	wanted   map[string]bool
	told     []string
	away     bool
	openErr  error
	early    string // a topic that others publish to while it opens
	closed   bool
	received int
}

var (
	errAway = errors.New("the others cannot be reached")
	errOpen = errors.New("no such exchange")
)

func (x *exchange) port() *port {
	p := &port{exchange: x, wanted: make(map[string]bool)}
	x.ports = append(x.ports, p)
	return p
}

func (p *port) Open(to BridgeReceiver) error {
	p.to = to
	if p.early != "" {
		if err := to.Deliver(p.early, codec.OpcodeText, []byte("early")); err != nil {
			return err
		}
	}
	return p.openErr
}

func (p *port) Interest(pattern string, wanted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted[pattern] == wanted {
		panic("told twice of " + pattern)
	}
	p.wanted[pattern] = wanted
	p.told = append(p.told, map[bool]string{true: "+", false: "-"}[wanted]+pattern)
}

func (p *port) Publish(name string, op codec.Opcode, payload []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		return errAway
	}
	for _, other := range p.ports {
		if other == p || other.to == nil {
			continue
		}
		for pattern, wanted := range other.wanted {
			if wanted && topic.Matches(pattern, name) {
				other.received++
				to, payload := other.to, slices.Clone(payload)
				p.mu.Unlock()
				err := to.Deliver(name, op, payload)
				p.mu.Lock()
				if err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}

func (p *port) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}

// TestBridge joins two servers: each gets what its connections want, once, and nothing back.
func TestBridge(t *testing.T) {
	x := &exchange{}
	ports := []*port{x.port(), x.port()}
	var servers []*Server
	var clients [][]*client
	gaps := make(chan struct{}, 1)
	for i := range 2 {
		s := &Server{Loops: 2, Bridge: ports[i], BridgeGap: func() { gaps <- struct{}{} }, Events: Events{Message: func(c Conn, _ codec.Opcode, payload []byte) {
			if err := c.Subscribe(string(payload)); err != nil {
				t.Error(err)
			}
		}}, MaxMessageBytes: 1000}
		r := serve(t, s)
		servers = append(servers, s)
		clients = append(clients, []*client{r.open(), r.open(), r.open()})
	}
	subscribed := func(i int, name string, n int) {
		t.Helper()
		poll(t, "the subscribers of "+name, func() bool { return servers[i].Subscribers(name) == n })
	}
	for i, c := range clients[1] {
		c.send(codec.OpcodeText, "rooms.*")
		c.send(codec.OpcodeText, []string{"rooms.1", "rooms.2", ">"}[i])
	}
	subscribed(1, "other", 1)
	clients[0][0].send(codec.OpcodeText, "rooms.1")
	subscribed(0, "rooms.1", 1)
	poll(t, "the tables to be filled", func() bool { return servers[1].Stats().Subscriptions == 6 })

	if p, err := servers[0].Publish("rooms.1", codec.OpcodeText, []byte("from 0")); err != nil || p.Sent != 1 {
		t.Errorf("%+v %v", p, err)
	}
	publish(t, servers[1], "rooms.1", "from 1")
	for i, all := range clients {
		for j, c := range all {
			if i == 1 || j == 0 {
				c.expect(codec.OpcodeText, "from 0")
				c.expect(codec.OpcodeText, "from 1")
			}
		}
	}
	publish(t, servers[1], "other", "nobody else wants it")
	clients[1][2].expect(codec.OpcodeText, "nobody else wants it")
	if n := ports[0].received; n != 1 {
		t.Errorf("the first server got %d messages, want 1", n)
	}

	// The last subscriber of a pattern goes, and not before: each of two loops has some.
	for _, c := range clients[1] {
		c.Close()
	}
	poll(t, "the interest to go", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return len(ports[1].told) == 8
	})
	want := []string{"+>", "+rooms.*", "+rooms.1", "+rooms.2", "->", "-rooms.*", "-rooms.1", "-rooms.2"}
	slices.Sort(ports[1].told)
	if !slices.Equal(ports[1].told, want) {
		t.Errorf("told %q", ports[1].told)
	}

	// Messages that no client could have sent do not get in.
	to := ports[0].to
	for _, bad := range []struct {
		name, payload string
		op            codec.Opcode
		want          error
	}{
		{"rooms.1", strings.Repeat("x", 1001), codec.OpcodeBinary, ErrForeign},
		{"rooms.1", "\xff", codec.OpcodeText, ErrForeign},
		{"rooms.1", "", codec.OpcodeClose, ErrOpcode},
		{"rooms.*", "", codec.OpcodeText, nil},
	} {
		err := to.Deliver(bad.name, bad.op, []byte(bad.payload))
		if err == nil || bad.want != nil && !errors.Is(err, bad.want) {
			t.Errorf("%s %q: %v", bad.name, bad.payload, err)
		}
	}
	ports[0].away = true
	publish(t, servers[0], "rooms.1", "local")
	clients[0][0].expect(codec.OpcodeText, "local")
	to.Gap()
	await(t, gaps, "BridgeGap")
	stats := servers[0].Stats()
	if stats.Foreign != 4 || stats.Uncarried != 1 || stats.Gaps != 1 {
		t.Errorf("%d foreign, %d uncarried, %d gaps", stats.Foreign, stats.Uncarried, stats.Gaps)
	}
}

func TestBridgeOpens(t *testing.T) {
	p := (&exchange{}).port()
	p.early = "kept.early"
	s := &Server{Bridge: p, Topics: []Topic{{Pattern: "kept.>", Retain: true}}, Events: Events{Open: func(c Conn) {
		if err := c.Subscribe(">"); err != nil {
			t.Error(err)
		}
	}}}
	r := serve(t, s)
	r.open().expect(codec.OpcodeText, "early")
	poll(t, "the server to open", func() bool { return s.allLoops() != nil })
	p.mu.Lock()
	if !slices.Equal(p.told, []string{"+kept.>", "+>"}) {
		t.Errorf("told %q", p.told)
	}
	p.mu.Unlock()
	r.stop()
	if !p.closed {
		t.Error("the bridge was not closed")
	}

	p = (&exchange{}).port()
	p.openErr = errOpen
	s = &Server{Bridge: p}
	listeners, err := s.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(listeners...); !errors.Is(err, errOpen) {
		t.Errorf("Serve: %v", err)
	}
	if err := (&Server{Bridge: p}).ServeDriver(nil); !errors.Is(err, errOpen) {
		t.Errorf("ServeDriver: %v", err)
	}
}
