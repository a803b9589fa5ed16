//go:build linux

// Command gobwas-epoll serves an echo with github.com/gobwas/ws and no goroutine per connection, in the
// way of the chat of gobwas/ws-examples: zero-copy upgrade, a poller that says which connections are
// readable, once per arming, and a fixed number of workers that read, echo, and arm them again.
//
// The example's poller, mailru/easygo, is replaced by poller.go: it duplicates every descriptor, and is
// not maintained. Buffers for reading are lent to a connection for as long as it has something to read.
package main

import (
	"bufio"
	"errors"
	"log"
	"net"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wsloop/wsloop/benchmarks/internal/listen"
)

const (
	maxMessageBytes = 16 << 20
	workers         = 128 // as in the example, with its queue of one
)

var (
	readers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}
	writers = sync.Pool{New: func() any { return bufio.NewWriter(nil) }}
)

// echo answers the messages that wait on conn, and no more, unless the last has not arrived in full.
func echo(conn net.Conn) error {
	r, w := readers.Get().(*bufio.Reader), writers.Get().(*bufio.Writer)
	defer readers.Put(r)
	defer writers.Put(w)
	r.Reset(conn)
	w.Reset(conn)
	// ReadClientData would wait for the message behind a control frame, and hold a worker.
	var messages []wsutil.Message
	for first := true; first || r.Buffered() > 0; first = false {
		var err error
		if messages, err = wsutil.ReadClientMessage(r, messages[:0]); err != nil {
			return err
		}
		for _, m := range messages {
			if err := answer(w, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// answer writes the echo of a message, or what a control frame asks for, with one system call, if it
// fits the buffer.
func answer(w *bufio.Writer, m wsutil.Message) error {
	var err error
	if m.OpCode.IsControl() {
		err = wsutil.HandleClientControlMessage(w, m) // fails behind the answer to a Close frame, too
	} else {
		err = wsutil.WriteServerMessage(w, m.OpCode, m.Payload)
	}
	return errors.Join(w.Flush(), err)
}

func main() {
	wsutil.SetMaxMessageSize(maxMessageBytes)
	p, err := newPoller()
	if err != nil {
		log.Fatal(err)
	}
	ready := make(chan *watched, 1)
	for range workers {
		go func() {
			for c := range ready {
				if err := echo(c.conn); err != nil {
					p.remove(c)
					continue
				}
				p.arm(c)
			}
		}()
	}
	go p.run(ready)

	ln := listen.TCP()
	for {
		conn, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		// Its own goroutine for as long as the handshake lasts, so that a slow one holds no worker.
		go func() {
			if _, err := ws.Upgrade(conn); err != nil {
				conn.Close()
				return
			}
			p.add(conn)
		}()
	}
}
