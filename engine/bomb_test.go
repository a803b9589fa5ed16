package engine

import (
	"runtime"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// weigher is a loop's memory that weighs the heap whenever something is lent.
type weigher struct {
	codec.Memory
	heaviest uint64
}

func (w *weigher) Grow(b []byte, need int) []byte {
	grown := w.Memory.Grow(b, need)
	w.heaviest = max(w.heaviest, heapBytes())
	return grown
}

// A bomb of 1,000:1, sent in one frame and in many, costs the limit and a constant, and while its buffer grows the one before, though it
// would become forty times as much: what lives is weighed on the way, what was ever allocated at the end. The connection fails with
// 1009, and nothing of it stays.
func TestBombCostsTheLimit(t *testing.T) {
	const (
		limit    = 12 << 20
		inflated = 40 * limit
		constant = 4 << 20       // what came of the bomb, and smaller buffers of the loop's that have been filled before
		previous = limit * 2 / 3 // of the buffers, each of which is half as long again as the one before
	)
	// Each piece ends on a byte and refers to zeros alone, so that they can be strung together.
	piece := squeeze(t, strings.Repeat("\x00", 1<<20)) + "\x00\x00\xff\xff"
	bomb := strings.Repeat(piece, inflated>>20)
	if ratio := inflated / len(bomb); ratio < 950 {
		t.Fatalf("a bomb of %d:1", ratio)
	}
	var fragments strings.Builder
	fragments.WriteString(compressedFrame(false, codec.OpcodeBinary, piece))
	for rest := bomb[len(piece):]; rest != ""; {
		n := min(len(rest), 10_000)
		fragments.WriteString(masked(n == len(rest), codec.OpcodeContinuation, rest[:n]))
		rest = rest[n:]
	}
	for name, frames := range map[string]string{
		"one frame": compressedFrame(true, codec.OpcodeBinary, bomb),
		"fragments": fragments.String(),
	} {
		t.Run(name, func(t *testing.T) {
			w := &weigher{}
			r := serve(t, &Server{Loops: 1, MaxMessageBytes: limit, Deflate: &Deflate{}, Events: Events{
				Open: func(c Conn) {
					w.Memory = c.loop.inflater.Memory
					c.loop.inflater.Memory = w
				},
				Message: func(_ Conn, _ codec.Opcode, payload []byte) { t.Errorf("got a message of %d bytes", len(payload)) },
			}})
			c := r.dial()
			c.write(head("/", offer))
			if status, fields, _ := c.response(); status != 101 || !strings.Contains(fields, "permessage-deflate") {
				t.Fatalf("status %d, %q", status, fields)
			}
			var before, after runtime.MemStats
			heap := heapBytes()
			runtime.ReadMemStats(&before)
			c.write(frames)
			c.expectClose(codec.StatusMessageTooBig)
			c.expectEOF()
			r.stop()
			runtime.ReadMemStats(&after)
			if w.heaviest == 0 || w.heaviest > heap+limit+previous+constant {
				t.Errorf("the heap grew from %d by %d bytes", heap, int64(w.heaviest)-int64(heap))
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > limit+3*previous+constant {
				t.Errorf("%d bytes were allocated", n)
			}
			if n := heapBytes(); n > heap+constant {
				t.Errorf("%d bytes are left", int64(n)-int64(heap))
			}
			runtime.KeepAlive(frames)
		})
	}
	runtime.KeepAlive(bomb)
}
