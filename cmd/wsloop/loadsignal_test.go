package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// W85: SIGTERM while many peers keep sending. Each gets whole echoes in their order, then 1001, and nothing behind it; the exit
// is 0.
func TestSignalUnderLoadW85(t *testing.T) {
	t.Parallel()
	const peers = 100
	p := start(t, "-addr", "127.0.0.1:0", "-drain", "1h", "-close-timeout", "1h", "-drain-rate", "200")
	var busy sync.WaitGroup // until each peer has had some echoes
	var done sync.WaitGroup
	var drained atomic.Int64
	busy.Add(peers)
	for range peers {
		c := p.open().upgraded()
		done.Go(func() {
			if err := c.load(busy.Done); err != nil {
				t.Error(err)
				return
			}
			drained.Add(1)
		})
	}
	busy.Wait()
	p.signal(syscall.SIGTERM)
	done.Wait()
	status, stdout, stderr := p.exit()
	if status != 0 || stderr != "" || !strings.Contains(stdout, fmt.Sprintf("closing %d connections", peers)) {
		t.Errorf("exit %d\n%s%s", status, stdout, stderr)
	}
	if n := drained.Load(); n != peers {
		t.Errorf("%d of %d peers were told to go", n, peers)
	}
}

// load keeps some messages under way until the server closes. It calls busy once some have come back, or none will.
func (c *peer) load(busy func()) error {
	const underWay = 16
	once := sync.OnceFunc(busy)
	defer once()
	message := func(op codec.Opcode, payload []byte) error {
		_, err := c.Write(codec.AppendMaskedFrame(nil, true, op, payload, 0x3d21fa37))
		return err
	}
	number := func(i uint64) []byte { return fmt.Appendf(nil, "%08d", i) }
	for i := range uint64(underWay) {
		if err := message(codec.OpcodeBinary, number(i)); err != nil {
			return err
		}
	}
	for i := uint64(0); ; i++ {
		if i == 10*underWay {
			once()
		}
		want := codec.AppendFrame(nil, true, codec.OpcodeBinary, number(i))
		goodbye := codec.AppendFrame(nil, true, codec.OpcodeClose, []byte(goingAway))
		got := make([]byte, len(goodbye))
		if _, err := io.ReadFull(c.in, got); err != nil {
			return fmt.Errorf("echo %d: %w", i, err)
		}
		if bytes.Equal(got, goodbye) {
			break
		}
		rest := make([]byte, len(want)-len(got))
		if _, err := io.ReadFull(c.in, rest); err != nil || !bytes.Equal(append(got, rest...), want) {
			return fmt.Errorf("echo %d is % x % x, %v", i, got, rest, err)
		}
		if err := message(codec.OpcodeBinary, number(i+underWay)); err != nil {
			return err
		}
	}
	if err := message(codec.OpcodeClose, []byte(goingAway)); err != nil {
		return err
	}
	if rest, err := io.ReadAll(c.in); len(rest) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("behind the Close frame came % x, %v", rest, err)
	}
	return nil
}
