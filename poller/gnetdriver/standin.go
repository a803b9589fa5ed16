//go:build gnetgate

package gnetdriver

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"
	errorx "github.com/panjf2000/gnet/v2/pkg/errors"
)

// The tag gnetgate builds the driver's side for Windows over a stand-in for gnet's, so that it can be tested
// elsewhere: each loop is a channel, and each connection has a goroutine that reads. It does what the driver asks for, and
// no more.

func newClient(h gnet.EventHandler, loops int, _ ...gnet.Option) (client, error) {
	c := &standIn{handler: h, stopped: make(chan struct{})}
	for range loops {
		c.loops = append(c.loops, &standInLoop{
			client: c, channel: make(chan any, 1024), conns: make(map[*standInConn]bool),
		})
	}
	return c, nil
}

// standIn stands in for gnet.Client.
type standIn struct {
	handler  gnet.EventHandler
	loops    []*standInLoop
	enrolled int
	running  sync.WaitGroup
	stopped  chan struct{}
}

func (s *standIn) Start() error {
	for _, l := range s.loops {
		s.running.Go(l.run)
	}
	s.running.Go(func() {
		for {
			interval, _ := s.handler.OnTick()
			select {
			case <-s.stopped:
				return
			case <-time.After(interval):
			}
		}
	})
	return nil
}

func (s *standIn) Stop() error {
	close(s.stopped)
	for _, l := range s.loops {
		l.channel <- errorx.ErrEngineShutdown
	}
	s.running.Wait()
	return nil
}

func (s *standIn) EnrollContext(nc net.Conn, ctx any) (gnet.Conn, error) {
	l := s.loops[s.enrolled%len(s.loops)]
	s.enrolled++
	return l.take(nc, ctx), nil
}

// standInLoop stands in for the eventloop of gnet.
type standInLoop struct {
	gnet.EventLoop
	client  *standIn
	channel chan any
	conns   map[*standInConn]bool
}

// What goes through the channel besides errors and functions.
type (
	standInOpen struct{ c *standInConn }
	standInData struct {
		c *standInConn
		b []byte
	}
	standInFailure struct {
		c   *standInConn
		err error
	}
)

func (l *standInLoop) run() {
	for message := range l.channel {
		switch m := message.(type) {
		case standInOpen:
			l.conns[m.c] = true
			_, action := l.client.handler.OnOpen(m.c)
			l.act(m.c, action)
			close(m.c.opened)
		case standInData:
			if l.conns[m.c] {
				m.c.buffer = m.b
				l.act(m.c, l.client.handler.OnTraffic(m.c))
			}
		case standInFailure:
			l.close(m.c, m.err)
		case func() error:
			if errors.Is(m(), errorx.ErrEngineShutdown) {
				l.end()
				return
			}
		case error:
			l.end()
			return
		}
	}
}

func (l *standInLoop) end() {
	for c := range l.conns {
		l.close(c, nil)
	}
}

func (l *standInLoop) act(c *standInConn, action gnet.Action) {
	if action == gnet.Close {
		l.close(c, nil)
	}
}

func (l *standInLoop) close(c *standInConn, err error) {
	if l.conns[c] {
		delete(l.conns, c)
		l.client.handler.OnClose(c, err)
		c.raw.Close()
		c.buffer = nil
	}
}

// take opens the connection and has a goroutine read it.
func (l *standInLoop) take(nc net.Conn, ctx any) *standInConn {
	c := &standInConn{loop: l, raw: nc, context: ctx, opened: make(chan struct{})}
	l.channel <- standInOpen{c}
	go func() {
		for {
			b := make([]byte, readBytes)
			n, err := nc.Read(b)
			if err != nil {
				select {
				case l.channel <- standInFailure{c, err}:
				case <-l.client.stopped:
				}
				return
			}
			l.channel <- standInData{c, b[:n]}
		}
	}()
	<-c.opened
	return c
}

func (l *standInLoop) Enroll(ctx context.Context, nc net.Conn) (<-chan gnet.RegisteredResult, error) {
	result := make(chan gnet.RegisteredResult, 1)
	go func() { result <- gnet.RegisteredResult{Conn: l.take(nc, gnet.FromContext(ctx))} }()
	return result, nil
}

func (l *standInLoop) Execute(ctx context.Context, r gnet.Runnable) error {
	go func() { l.channel <- func() error { return r.Run(ctx) } }()
	return nil
}

func (l *standInLoop) Close(c gnet.Conn) error {
	l.close(c.(*standInConn), nil)
	return nil
}

// standInConn stands in for the conn of gnet.
type standInConn struct {
	gnet.Conn
	loop    *standInLoop
	raw     net.Conn
	context any
	opened  chan struct{}
	buffer  []byte
}

func (c *standInConn) Context() any                 { return c.context }
func (c *standInConn) EventLoop() gnet.EventLoop    { return c.loop }
func (c *standInConn) Peek(int) ([]byte, error)     { return c.buffer, nil }
func (c *standInConn) Discard(int) (n int, e error) { c.buffer = nil; return 0, nil }
