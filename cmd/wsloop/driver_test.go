package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// Over gnet the command does what it does over the native driver: here, in processes, and with several listeners.
func TestDriverGnet(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"", "-loops 2 -reuseport", "-procs 2"} {
		t.Run(args, func(t *testing.T) {
			p := start(t, append(strings.Fields(args), "-driver", "gnet", "-addr", "127.0.0.1:0")...)
			a, b := p.open().upgraded(), p.open().upgraded()
			for _, c := range []*peer{a, b} {
				c.send(codec.OpcodeText, "hello")
				c.expect(codec.OpcodeText, "hello")
			}
			a.send(codec.OpcodeClose, goingAway)
			a.expect(codec.OpcodeClose, goingAway)
			a.expectEnd()
			p.signal(syscall.SIGTERM)
			b.expect(codec.OpcodeClose, goingAway)
			b.send(codec.OpcodeClose, goingAway)
			b.expectEnd()
			if status, _, stderr := p.exit(); status != 0 || stderr != "" {
				t.Errorf("exit %d: %s", status, stderr)
			}
		})
	}
}
