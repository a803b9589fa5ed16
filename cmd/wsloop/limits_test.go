package main

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// W93: with a low limit on descriptors the server says how many connections it takes, answers those above with 503, and
// has descriptors left for that.
func TestLowDescriptorLimitW93(t *testing.T) {
	t.Parallel()
	const limit, most = 256, 256 - 32
	p := startLimited(t, limit)
	if line := p.line(); !strings.Contains(line, "in a browser") {
		t.Errorf("printed %q", line)
	}
	if line := p.line(); line != fmt.Sprintf("wsloop: at most %d connections\n", most) {
		t.Errorf("printed %q", line)
	}
	var first *peer
	for range most {
		if c := p.open().upgraded(); first == nil {
			first = c
		}
	}
	for range 3 {
		if head := p.open().head(); !strings.HasPrefix(head, "HTTP/1.1 503 ") || !strings.Contains(head, "Retry-After: ") {
			t.Errorf("one above the limit was answered %q", head)
		}
	}
	first.send(codec.OpcodeText, "unharmed")
	first.expect(codec.OpcodeText, "unharmed")
}

// startLimited is start below a limit on descriptors, which Go itself would raise as far as it can.
func startLimited(t *testing.T, limit int) *process {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	script := fmt.Sprintf(`ulimit -n %d && exec "$0" serve -addr 127.0.0.1:0`, limit)
	return execute(t, sh, "-c", script, binary).listening()
}

// The drain tells how it goes on, and closes with the code of its flag.
func TestDrainTellsItsProgress(t *testing.T) {
	t.Parallel()
	p := start(t, "-addr", "127.0.0.1:0", "-max-connections", "10", "-drain-code", "1012")
	p.line()
	p.line()
	c := p.open().upgraded()
	p.signal(syscall.SIGTERM)
	c.expect(codec.OpcodeClose, "\x03\xf4")
	c.send(codec.OpcodeClose, "\x03\xf4")
	c.expectEnd()
	status, stdout, stderr := p.exit()
	if status != 0 || !strings.HasSuffix(stdout, "wsloop: 0 connections left\n") {
		t.Errorf("exit %d: %s%s", status, stdout, stderr)
	}
}

// Broadcasting to a peer that does not read is up to the policy: it is closed by default, and kept
// if it is the messages that give way.
func TestOverflowFlag(t *testing.T) {
	t.Parallel()
	for policy, closed := range map[string]bool{"close": true, "drop-oldest": false} {
		p := start(t, "-addr", "127.0.0.1:0", "-mode", "broadcast", "-max-buffered", "200000", "-overflow", policy)
		slow, sender := p.open().upgraded(), p.open().upgraded()
		message := strings.Repeat("x", 60000)
		want := codec.AppendFrame(nil, true, codec.OpcodeText, []byte(message))
		// Far more than the sockets hold.
		for range 400 {
			sender.send(codec.OpcodeText, message)
			if _, err := sender.in.Discard(len(want)); err != nil {
				t.Fatal(err)
			}
		}
		frames, code := slow.untilClose(len(want))
		if closed != (code == codec.StatusTryAgainLater) || frames == 0 {
			t.Errorf("-overflow %s: closed with %d after %d messages", policy, code, frames)
		}
	}
}

// untilClose reads messages of n bytes on the wire until a Close frame or a pong, and returns its code.
func (c *peer) untilClose(n int) (messages int, code codec.StatusCode) {
	c.t.Helper()
	c.send(codec.OpcodePing, "are you there?")
	for {
		first, err := c.in.ReadByte()
		if err != nil {
			c.t.Fatal(err)
		}
		rest := n - 1
		switch codec.Opcode(first & 0x0f) {
		case codec.OpcodePong:
			return messages, 0
		case codec.OpcodeClose:
			payload, err := c.in.Peek(3)
			if err != nil {
				c.t.Fatal(err)
			}
			return messages, codec.StatusCode(payload[1])<<8 | codec.StatusCode(payload[2])
		default:
			messages++
		}
		if _, err := c.in.Discard(rest); err != nil {
			c.t.Fatal(err)
		}
	}
}
