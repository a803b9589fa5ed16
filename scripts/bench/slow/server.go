//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// maxBuffered is what may wait for one connection.
const maxBuffered = 64 << 10

// stampBytes are the head of each message: when it was sent.
const stampBytes = 8

// runServer broadcasts to everybody when it is told to, and reports what it held.
func runServer(l load) error {
	var mu sync.Mutex
	var all []engine.Conn
	s := &engine.Server{
		Loops:            1,
		MaxBufferedBytes: maxBuffered,
		MaxMemoryBytes:   l.memory,
		// Slow peers stay: their cost is what is measured.
		Overflow:     engine.Overflow{Policy: engine.OverflowDropOldest},
		WriteTimeout: engine.Never,
		PingInterval: engine.Never,
		Events: engine.Events{Open: func(c engine.Conn) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, c)
		}},
	}
	config := net.ListenConfig{Control: smallSend}
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	go s.Serve(listener)
	defer s.Close()
	orders := bufio.NewReader(os.Stdin)
	if _, err := orders.ReadString('\n'); err != nil {
		return err
	}
	done := make(chan int64)
	go watchMemory(s, done)
	broadcast(all, l)
	if _, err := orders.ReadString('\n'); err != nil {
		return err
	}
	done <- 0
	r := result{Memory: <-done, Dropped: s.Stats().DroppedOldest}
	return json.NewEncoder(os.Stdout).Encode(struct {
		Memory  int64
		Dropped uint64
	}{r.Memory, r.Dropped})
}

// smallSend gives sockets a small send buffer, which accepted ones inherit: what a slow peer does not
// take is to be the server's problem, not the kernel's.
func smallSend(_, _ string, c syscall.RawConn) (err error) {
	const sendBytes = 32 << 10
	controlErr := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, sendBytes)
	})
	return errors.Join(controlErr, err)
}

// broadcast sends the messages, each stamped with the time at which its first copy was sent.
func broadcast(all []engine.Conn, l load) {
	payload := make([]byte, l.bytes)
	start := time.Now()
	for i := range l.broadcasts {
		time.Sleep(time.Until(start.Add(time.Duration(i) * l.interval)))
		binary.LittleEndian.PutUint64(payload, uint64(time.Now().UnixNano()))
		for _, c := range all {
			c.Send(codec.OpcodeBinary, payload)
		}
	}
}

// watchMemory finds the most that the server held, until it is asked.
func watchMemory(s *engine.Server, done chan int64) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	most := int64(0)
	for {
		select {
		case <-ticker.C:
			most = max(most, s.Stats().Memory)
		case <-done:
			done <- most
			return
		}
	}
}
