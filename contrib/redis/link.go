package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	client "github.com/redis/rueidis"

	"github.com/wsloop/wsloop/contrib/internal/bridge"
)

var errSilent = errors.New("redis: no answer")

// broker knows where Redis is. It implements bridge.Broker.
type broker struct {
	bridge    *bridge.Bridge
	servers   []client.ClientOption
	at        int // the server to try first
	prefix    string
	heartbeat time.Duration
}

// Connect implements bridge.Broker. It tries each server once.
func (b *broker) Connect(ctx context.Context) (bridge.Link, error) {
	var errs []error
	for range b.servers {
		l, err := b.connect(ctx, b.servers[b.at])
		if err == nil {
			return l, nil
		}
		errs = append(errs, err)
		b.at = (b.at + 1) % len(b.servers)
	}
	return nil, errors.Join(errs...)
}

// link is two connections with Redis: publishing waits for what comes otherwise. It implements bridge.Link.
type link struct {
	broker  *broker
	sockets sockets
	release func() bool // of the context
	publish client.Client
	listen  client.DedicatedClient
	ended   <-chan error // closed when listen brings nothing any more
	checked time.Time    // when both connections were asked
}

func (b *broker) connect(ctx context.Context, o client.ClientOption) (_ *link, err error) {
	l := &link{broker: b}
	l.sockets.init(ctx)
	l.release = context.AfterFunc(ctx, l.sockets.close)
	o.DialCtxFn = l.sockets.dialer(o.DialCtxFn)
	if l.publish, err = client.NewClient(o); err == nil {
		l.listen, _ = l.publish.Dedicate()
		l.ended = l.listen.SetPubSubHooks(client.PubSubHooks{OnMessage: l.take})
		l.sockets.seal()
		err = l.check(ctx, o.Dialer.Timeout)
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("%s: %w", o.InitAddress[0], err)
	}
	return l, nil
}

func (l *link) check(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return l.Do(ctx, new(bridge.Round))
}

// take has a message be delivered. It is called by the goroutine that reads.
func (l *link) take(m client.PubSubMessage) {
	if m.Pattern != "" && !matches(m.Pattern, m.Channel) {
		l.broker.bridge.Unwanted()
		return
	}
	l.broker.bridge.Receive(m.Channel[len(l.broker.prefix):], []byte(m.Message))
}

// Do implements bridge.Link. Both connections are asked whether they are there with each empty round, and with one in a heartbeat.
func (l *link) Do(ctx context.Context, r *bridge.Round) error {
	select {
	case <-l.sockets.gone: // nothing that is sent could arrive
		return l.Reason()
	default:
	}
	began := time.Now()
	due := len(r.Changes)+len(r.Messages) == 0 || began.Sub(l.checked) >= l.broker.heartbeat
	if err := l.subscribe(ctx, r.Changes, due); err != nil {
		return l.because(err)
	}
	if err := l.send(ctx, r.Messages, due); err != nil {
		return l.because(err)
	}
	if due {
		l.checked = began
	}
	return nil
}

// subscribe has Redis know what is wanted. Refusals are noted.
func (l *link) subscribe(ctx context.Context, changes []bridge.Change, check bool) error {
	commands := make([]client.Completed, 0, len(changes)+1)
	for _, c := range changes {
		channel, glob := subscription(l.broker.prefix, c.Pattern)
		switch b := l.listen.B(); {
		case c.Wanted && glob:
			commands = append(commands, b.Psubscribe().Pattern(channel).Build())
		case c.Wanted:
			commands = append(commands, b.Subscribe().Channel(channel).Build())
		case glob:
			commands = append(commands, b.Punsubscribe().Pattern(channel).Build())
		default:
			commands = append(commands, b.Unsubscribe().Channel(channel).Build())
		}
	}
	results, err := l.do(ctx, l.listen, commands, check)
	for i, result := range results {
		if refusal, is := client.IsRedisErr(result.Error()); is {
			changes[i].Refused = refusal
		}
	}
	return err
}

// send publishes messages, and notes what became of each.
func (l *link) send(ctx context.Context, messages []bridge.Message, check bool) error {
	commands := make([]client.Completed, 0, len(messages)+1)
	for _, m := range messages {
		channel := l.broker.prefix + m.Name
		commands = append(commands, l.publish.B().Publish().Channel(channel).Message(client.BinaryString(m.Data)).Build())
	}
	results, err := l.do(ctx, l.publish, commands, check)
	var refusal error
	for i, result := range results {
		switch err := result.Error(); {
		case err == nil:
			messages[i].Fate = bridge.Carried
		case result.NonRedisError() != nil:
			messages[i].Fate = bridge.Unconfirmed
		default:
			messages[i].Fate, refusal = bridge.Unsendable, err
		}
	}
	if refusal != nil {
		l.broker.bridge.Complain("publish", refusal)
	}
	return err
}

// do sends commands, and behind them, if it is to check, the question who is there. The error is one of the connection, or that Redis
// is not who it should be.
func (l *link) do(ctx context.Context, c client.CommandClient, commands []client.Completed, check bool) (_ []client.RedisResult, err error) {
	n := len(commands)
	if check {
		commands = append(commands, c.B().Arbitrary("HELLO").Build())
	}
	if len(commands) == 0 {
		return nil, nil
	}
	results := c.DoMulti(ctx, commands...)
	for _, result := range results[:n] {
		if err := result.NonRedisError(); err != nil {
			return results[:n], err
		}
	}
	if check {
		err = fits(results[n])
	}
	return results[:n], err
}

// fits says whether a server can be published to: not if it is a replica, unless in a cluster, in which all nodes carry messages to all.
func fits(hello client.RedisResult) error {
	is, err := hello.AsMap()
	if err != nil {
		return err
	}
	proto, role, mode := is["proto"], is["role"], is["mode"]
	if version, _ := proto.AsInt64(); version < 3 {
		return errors.New("redis: the server does not speak RESP3: version 6 or newer is needed")
	}
	if mode, _ := mode.ToString(); mode == "sentinel" {
		return errors.New("redis: the server is a sentinel")
	} else if mode == "cluster" {
		return nil
	}
	if role, _ := role.ToString(); role != "master" {
		return fmt.Errorf("redis: the server is a %s", role)
	}
	return nil
}

// Gone implements bridge.Link.
func (l *link) Gone() <-chan struct{} { return l.sockets.gone }

// Reason implements bridge.Link.
func (l *link) Reason() error { return l.because(errors.New("redis: connection ended")) }

// because prefers what the system said to what the client library made of it.
func (l *link) because(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errSilent
	}
	if first := l.sockets.reason(); first != nil {
		return first
	}
	return err
}

// Close implements bridge.Link.
func (l *link) Close() {
	l.release()
	l.sockets.close() // first, so that nothing waits for them
	if l.listen != nil {
		<-l.ended
		l.listen.Close()
	}
	if l.publish != nil {
		l.publish.Close()
	}
}
