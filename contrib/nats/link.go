package nats

import (
	"context"
	"errors"
	"strings"
	"sync"

	client "github.com/nats-io/nats.go"

	"github.com/wsloop/wsloop/contrib/internal/bridge"
)

var errSilent = errors.New("nats: no answer")

// broker knows where NATS is. It implements bridge.Broker.
type broker struct {
	bridge  *bridge.Bridge
	options Options
	prefix  string
	others  []string // servers of the cluster that NATS told of
}

// link is a connection with NATS. It implements bridge.Link.
type link struct {
	broker   *broker
	socket   socket
	release  func() bool // of the context
	conn     *client.Conn
	gone     chan struct{} // closed when the connection has ended
	subs     map[string]*client.Subscription
	arrivals arrivals
}

// Connect implements bridge.Broker. It returns within the time that the client library allows for each of the addresses.
func (b *broker) Connect(ctx context.Context) (bridge.Link, error) {
	o, err := b.options.connection()
	if err != nil {
		return nil, err
	}
	l := &link{broker: b, gone: make(chan struct{}), subs: make(map[string]*client.Subscription)}
	l.arrivals.init()
	l.socket.init(ctx, l.arrivals.waitForRoom)
	l.release = context.AfterFunc(ctx, l.socket.close)
	o.Servers = append(o.Servers, b.others...)
	o.CustomDialer = &dialer{socket: &l.socket, under: o.CustomDialer, timeout: o.Timeout}
	gone := sync.OnceFunc(func() { close(l.gone) })
	o.ClosedCB = func(*client.Conn) { gone() }
	o.AsyncErrorCB = func(_ *client.Conn, sub *client.Subscription, err error) { l.complain(sub, err) }
	if l.conn, err = o.Connect(); err != nil {
		l.release()
		l.socket.close()
		return nil, err
	}
	b.bridge.Limit(l.conn.MaxPayload())
	go l.arrivals.pass(l.take)
	return l, nil
}

// complain notes an error that NATS told, which does not end the connection.
func (l *link) complain(sub *client.Subscription, err error) {
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	l.broker.bridge.Complain(subject, err)
}

// take has a message be delivered.
func (l *link) take(m *client.Msg) {
	if name, ours := strings.CutPrefix(m.Subject, l.broker.prefix); ours {
		l.broker.bridge.Receive(name, m.Data)
	} else {
		l.broker.bridge.Unwanted()
	}
}

// Do implements bridge.Link.
func (l *link) Do(ctx context.Context, r *bridge.Round) error {
	stop := context.AfterFunc(ctx, l.socket.close) // the library may wait longer, for its lock or the socket
	defer stop()
	if err := l.do(ctx, r); err != nil {
		return l.because(ctx, err)
	}
	return nil
}

// do sends a round, asks for a PONG and waits for it.
func (l *link) do(ctx context.Context, r *bridge.Round) error {
	for i := range r.Changes {
		if err := l.subscribe(&r.Changes[i]); err != nil {
			return err
		}
	}
	for i := range r.Messages {
		m := &r.Messages[i]
		err := l.conn.Publish(l.broker.prefix+m.Name, m.Data)
		if errors.Is(err, client.ErrBadSubject) || errors.Is(err, client.ErrMaxPayload) {
			m.Fate = bridge.Unsendable
			continue
		}
		m.Fate = bridge.Unconfirmed
		if err != nil {
			return err
		}
	}
	if err := l.conn.FlushWithContext(ctx); err != nil {
		return err
	}
	for i := range r.Messages {
		if m := &r.Messages[i]; m.Fate == bridge.Unconfirmed {
			m.Fate = bridge.Carried
		}
	}
	return nil
}

// subscribe has NATS know whether a pattern is wanted.
func (l *link) subscribe(c *bridge.Change) error {
	if !c.Wanted {
		sub := l.subs[c.Pattern]
		delete(l.subs, c.Pattern)
		return sub.Unsubscribe()
	}
	sub, err := l.conn.ChanSubscribe(l.broker.prefix+c.Pattern, l.arrivals.messages)
	if errors.Is(err, client.ErrBadSubject) {
		c.Refused = err
		return nil
	}
	if err == nil {
		l.subs[c.Pattern] = sub
	}
	return err
}

// because prefers what NATS or the system said to what the library made of it.
func (l *link) because(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errSilent
	}
	if last := l.conn.LastError(); last != nil {
		return last
	}
	return err
}

// Gone implements bridge.Link.
func (l *link) Gone() <-chan struct{} { return l.gone }

// Reason implements bridge.Link.
func (l *link) Reason() error { return l.because(context.Background(), client.ErrConnectionClosed) }

// Close implements bridge.Link.
func (l *link) Close() {
	l.release()
	l.socket.close() // first, so that nothing waits for it
	if others := l.conn.DiscoveredServers(); len(others) > 0 {
		l.broker.others = others
	}
	l.conn.Close()
	l.arrivals.stop()
}
