package engine

import (
	"math"
	"runtime/debug"
	"sync/atomic"
)

// A budget bounds the bytes of all buffers of a server. The pools of the engine and of the driver
// count into held what they make and let go of.
type budget struct {
	held  atomic.Int64
	most  int64
	short atomic.Bool // something was refused: a loop should free memory
}

// defaultMemory is half of the runtime's memory limit if one is set, and at most DefaultMaxMemoryBytes.
func defaultMemory() int64 {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return min(limit/2, DefaultMaxMemoryBytes)
	}
	return DefaultMaxMemoryBytes
}

// allows says whether n more bytes fit.
func (b *budget) allows(n int) bool { return b.held.Load()+int64(n) <= b.most }

// tight says that the server should take on less: no new connections, no idle buffers.
func (b *budget) tight() bool { return b.held.Load() > b.most/4*3 }

// over says that memory has to be freed now. What is left above is for what one turn can add
// before anybody looks.
func (b *budget) over() bool { return b.held.Load() > b.most/16*15 }

// excess is how much has to be freed to be out of trouble.
func (b *budget) excess() int64 { return b.held.Load() - b.most/8*5 }
