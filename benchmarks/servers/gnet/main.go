//go:build unix

// Command gnet echoes bytes over TCP with github.com/panjf2000/gnet, as the README's echo server does,
// with an event loop per processor. It is the reference for event loops in Go: no WebSocket.
package main

import (
	"log"
	"net"
	"runtime"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"github.com/wsloop/wsloop/benchmarks/internal/listen"
)

type echo struct{ gnet.BuiltinEventEngine }

// OnBoot asks the listening socket for its port, which gnet does not tell.
func (*echo) OnBoot(engine gnet.Engine) gnet.Action {
	fd, err := engine.Dup()
	if err != nil {
		log.Fatal(err)
	}
	defer unix.Close(fd)
	name, err := unix.Getsockname(fd)
	if err != nil {
		log.Fatal(err)
	}
	bound, ok := name.(*unix.SockaddrInet4)
	if !ok {
		log.Fatal("only IPv4 addresses are supported")
	}
	listen.Announce(&net.TCPAddr{IP: bound.Addr[:], Port: bound.Port})
	return gnet.None
}

func (*echo) OnTraffic(c gnet.Conn) gnet.Action {
	bytes, _ := c.Next(-1)
	if _, err := c.Write(bytes); err != nil {
		return gnet.Close
	}
	return gnet.None
}

// logger keeps back what gnet says of itself, such as the address it was asked to listen on.
type logger struct{}

func (logger) Debugf(string, ...any)             {}
func (logger) Infof(string, ...any)              {}
func (logger) Warnf(format string, args ...any)  { log.Printf(format, args...) }
func (logger) Errorf(format string, args ...any) { log.Printf(format, args...) }
func (logger) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }

func main() {
	log.Fatal(gnet.Run(&echo{}, "tcp://"+listen.Addr(),
		gnet.WithMulticore(true), gnet.WithNumEventLoop(runtime.GOMAXPROCS(0)),
		gnet.WithLogger(logger{})))
}
