package load

import (
	"context"
	"log/slog"
	"math"
	"net/netip"
	"sync"

	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/handshake"
)

// A lane is one event loop, in an engine.Server of its own: what its connections count needs one lock that hardly anybody
// else wants.
type lane struct {
	worker  *Worker
	server  *engine.Server
	targets []*engine.Target // of each URL, its sources
	clients []client

	mu      sync.Mutex // guards what follows, and the clients
	tally   *tally
	spare   *tally // empty, for when the other is taken away
	from    int64  // messages due from here on are measured
	sending bool   // a closed loop answers with the next message
	closes  bool   // the run is over: nothing is counted, and connections that open now are closed
	waiting int    // messages of open connections that were not answered
	free    []*client
	resting []*client // as free, after a failure: not at once again
	stamped []byte    // the payload of a broadcast

	broadcasts uint32 // measured ones that were sent
	sends      fifo   // the last of them
}

// newLane starts the loop and resolves the targets.
func newLane(ctx context.Context, w *Worker, number int) (*lane, error) {
	c := &w.config
	l := &lane{
		worker: w, tally: new(tally), spare: new(tally), from: math.MaxInt64,
		clients: make([]client, (c.Connections-number+c.Loops-1)/c.Loops),
		stamped: append([]byte(nil), w.message.payload...),
	}
	for i := range l.clients {
		l.clients[i].lane = l
		if c.Scenario == Slow {
			l.clients[i].slow = drawn(c.First+i*c.Loops+number, c.Slow)
		}
	}
	most := 2 * (c.Outstanding + 1) * (len(w.message.payload) + 64)
	l.server = &engine.Server{
		Loops:            1,
		Events:           engine.Events{Message: l.receive, Close: l.ended},
		MaxMessageBytes:  max(engine.DefaultMaxMessageBytes, 2*int64(len(w.message.payload))),
		MaxBufferedBytes: min(max(engine.DefaultMaxBufferedBytes, most), math.MaxInt32),
		MaxConnections:   engine.Unlimited,
		MaxInFlight:      1, // a slow client takes in no more than it must
		MaxInFlightBytes: 1,
		HandshakeTimeout: c.Timeout,
		PingInterval:     orElse(c.Keepalive, engine.Never),
		WriteTimeout:     engine.Never,
		CloseTimeout:     orElse(c.Drain, DefaultDrain),
		SlowCallback:     engine.Never,
		ControlRate:      engine.Rate{PerSecond: math.MaxInt32},
		Overflow:         engine.Overflow{Policy: engine.OverflowDropNewest},
		Logger:           slog.New(slog.DiscardHandler),
	}
	if c.Deflate {
		// Whether there is takeover is up to the server.
		l.server.Deflate = &engine.Deflate{ServerContextTakeover: true, ClientContextTakeover: true, MaxWindowBytes: math.MaxInt64}
	}
	if err := l.server.Start(); err != nil {
		return nil, err
	}
	if err := l.resolve(ctx); err != nil {
		l.server.Close()
		return nil, err
	}
	return l, nil
}

// resolve makes the targets.
func (l *lane) resolve(ctx context.Context) error {
	c := &l.worker.config
	var header handshake.Header
	for _, f := range c.Header {
		if err := header.Add(f.Name, f.Value); err != nil {
			return err
		}
	}
	options := &engine.DialOptions{Subprotocols: c.Subprotocols, Origin: c.Origin, Header: header, Connected: l.connected, Deflate: c.Deflate}
	if c.Unix != "" {
		options.Addr = "unix:" + c.Unix
	}
	locals := []netip.AddrPort{{}}
	for i, source := range c.Sources {
		if i == 0 {
			locals = nil
		}
		locals = append(locals, netip.AddrPortFrom(source, 0))
	}
	for _, url := range c.URLs {
		for _, options.Local = range locals {
			target, err := l.server.Target(ctx, url, options)
			if err != nil {
				return err
			}
			l.targets = append(l.targets, target)
		}
	}
	return nil
}

// target is that of a connection by its number in the whole run: URLs take turns, and so do the sources of each.
func (l *lane) target(number int) *engine.Target {
	urls := len(l.worker.config.URLs)
	sources := len(l.targets) / urls
	return l.targets[number%urls*sources+number/urls%sources]
}

// drawn says whether a connection is of a share, which is spread evenly and begins late.
func drawn(number int, share float64) bool {
	return math.Floor(float64(number+1)*share+1e-9) > math.Floor(float64(number)*share+1e-9)
}

// take takes away what was counted, and leaves an empty tally. It is the caller's until giveBack. The lock is held.
func (l *lane) take() *tally {
	taken := l.tally
	l.tally, l.spare = l.spare, nil
	return taken
}

func (l *lane) giveBack(t *tally) {
	t.reset()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spare = t
}
