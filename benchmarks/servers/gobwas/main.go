// Command gobwas serves an echo with github.com/gobwas/ws, a goroutine per connection: the README's
// zero-copy upgrade for servers under load, then ReadClientData and WriteServerMessage as in its first
// example, with its limit on messages.
//
// The library reads and writes headers and payloads apart, and leaves buffers to its user. So each
// connection reads through a bufio.Reader, and a message is written at once, through one of a few
// shared writers: the reuse of buffers that the README names as the reason for the library.
package main

import (
	"bufio"
	"io"
	"log"
	"net"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wsloop/wsloop/benchmarks/internal/listen"
)

const maxMessageBytes = 16 << 20

var writers = sync.Pool{New: func() any { return bufio.NewWriter(nil) }}

// peer reads through a buffer; the answers to control frames go straight to the socket.
type peer struct {
	*bufio.Reader
	io.Writer
}

func serve(conn net.Conn) {
	defer conn.Close()
	if _, err := ws.Upgrade(conn); err != nil {
		return
	}
	p := peer{bufio.NewReader(conn), conn}
	for {
		payload, op, err := wsutil.ReadClientData(p)
		if err != nil {
			return
		}
		if err := send(conn, op, payload); err != nil {
			return
		}
	}
}

// send writes one message with one system call, if it fits the buffer.
func send(conn net.Conn, op ws.OpCode, payload []byte) error {
	w := writers.Get().(*bufio.Writer)
	defer writers.Put(w)
	w.Reset(conn)
	if err := wsutil.WriteServerMessage(w, op, payload); err != nil {
		return err
	}
	return w.Flush()
}

func main() {
	wsutil.SetMaxMessageSize(maxMessageBytes)
	ln := listen.TCP()
	for {
		conn, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn)
	}
}
