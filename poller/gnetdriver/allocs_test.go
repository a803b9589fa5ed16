//go:build !gnetgate && !windows

package gnetdriver_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// TestEchoAllocatesNothing echoes through the engine. What ticks allocate is less than one in a message.
func TestEchoAllocatesNothing(t *testing.T) {
	s := serve(t, &engine.Server{Events: engine.Events{Message: echo}})
	c := s.open(t)
	message := masked(codec.OpcodeBinary, make([]byte, 1000))
	answer := make([]byte, 4+1000)
	allocsNone(t, c, message, answer)
}

// TestManyMessagesAllocateNothing echoes what came together.
func TestManyMessagesAllocateNothing(t *testing.T) {
	s := serve(t, &engine.Server{Events: engine.Events{Message: echo}})
	c := s.open(t)
	messages := bytes.Repeat(masked(codec.OpcodeText, make([]byte, 100)), 16)
	allocsNone(t, c, messages, make([]byte, 16*(2+100)))
}

func allocsNone(t *testing.T, c net.Conn, message, answer []byte) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(2000, func() {
		if _, err := c.Write(message); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, answer); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
