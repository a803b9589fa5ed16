//go:build unix

package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

const request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

// smallReceive makes a connection that does not read fill up soon.
const smallReceive = 4 << 10

// patience is how much later than the last broadcast the last message may come.
const patience = 60 * time.Second

// runClient opens the connections, says so, and measures how long the broadcasts take to those
// that read.
func runClient(l load, addr string, deaf, halting int) error {
	readers := make([]*reader, 0, l.connections)
	for i := range l.connections {
		c, err := dial(addr, i < deaf)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		defer c.Close()
		if i >= deaf {
			readers = append(readers, &reader{conn: c, bytes: l.bytes, times: make([]time.Duration, 0, l.broadcasts)})
		}
		if i >= l.connections-halting {
			go stammer(c)
		}
	}
	deadline := time.Now().Add(time.Duration(l.broadcasts)*l.interval + patience)
	for _, r := range readers {
		r.conn.SetReadDeadline(deadline)
	}
	fmt.Println("connected")
	var wg sync.WaitGroup
	for _, r := range readers {
		wg.Go(r.read)
	}
	wg.Wait()
	var all []time.Duration
	missed := 0
	for _, r := range readers {
		all = append(all, r.times...)
		missed += l.broadcasts - len(r.times)
	}
	if len(all) == 0 {
		return fmt.Errorf("nothing was received")
	}
	slices.Sort(all)
	return json.NewEncoder(os.Stdout).Encode(struct {
		P50, P99 time.Duration
		Missed   int
	}{all[len(all)/2], all[len(all)*99/100], missed})
}

func dial(addr string, deaf bool) (net.Conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if deaf {
		c.(*net.TCPConn).SetReadBuffer(smallReceive)
	}
	if _, err := io.WriteString(c, request); err != nil {
		return nil, err
	}
	for end := ""; len(end) < 4 || end[len(end)-4:] != "\r\n\r\n"; {
		var b [1]byte
		if _, err := io.ReadFull(c, b[:]); err != nil {
			return nil, err
		}
		end += string(b[:])
	}
	return c, nil
}

// reader is a connection that reads.
type reader struct {
	conn  net.Conn
	bytes int
	times []time.Duration
}

// read notes how old each message is when it comes.
func (r *reader) read() {
	const headerLen = 4 // of frames of 126 to 65,535 bytes
	frame := make([]byte, headerLen+r.bytes)
	in := bufio.NewReaderSize(r.conn, 2*len(frame))
	for len(r.times) < cap(r.times) {
		if _, err := io.ReadFull(in, frame); err != nil {
			return
		}
		sent := int64(binary.LittleEndian.Uint64(frame[headerLen : headerLen+stampBytes]))
		r.times = append(r.times, time.Duration(time.Now().UnixNano()-sent))
	}
}

// stammer sends the bytes of a message without end, one at a time.
func stammer(c net.Conn) {
	header := []byte{0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0x0f, 0xff, 0xff, 0, 0, 0, 0}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; ; i++ {
		b := []byte{'x'}
		if i < len(header) {
			b = header[i : i+1]
		}
		if _, err := c.Write(b); err != nil {
			return
		}
		<-ticker.C
	}
}
