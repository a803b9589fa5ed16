package engine

import (
	"math"
	"runtime/debug"
	"sync/atomic"
)

// A budget bounds the bytes of all buffers of a server. The pools of the engine and of the driver
// count into held what they make and let go of.
type budget struct {
	held     atomic.Int64
	most     int64
	refusals atomic.Uint32 // of ask; each loop frees memory when it sees that there were more
}

// defaultMemory is half of the runtime's memory limit if one is set, and at most DefaultMaxMemoryBytes.
func defaultMemory() int64 {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return max(min(limit/2, DefaultMaxMemoryBytes), minMemoryBytes)
	}
	return DefaultMaxMemoryBytes
}

// limit is what may be held. The sixteenth above it is for what nobody can be asked about: frames on their way
// into a full socket, control frames, and loops that ask at the same moment.
func (b *budget) limit() int64 { return b.most / 16 * 15 }

// allows says whether n more bytes may be allocated.
func (b *budget) allows(n int) bool { return n == 0 || b.held.Load()+int64(n) <= b.limit() }

// ask is allows for those who cannot do without: the loops are told to free memory.
func (b *budget) ask(n int) bool {
	if b.allows(n) {
		return true
	}
	b.refusals.Add(1)
	return false
}

// tight says that the server should take on less: no new connections, no idle buffers.
func (b *budget) tight() bool { return b.held.Load() > b.most/4*3 }

// over says that memory has to be freed now.
func (b *budget) over() bool { return b.held.Load() > b.limit() }

// excess is how much has to be freed to be out of trouble.
func (b *budget) excess() int64 { return b.held.Load() - b.most/8*5 }

// share is what a connection may hold without being to blame, whatever the others do.
func (b *budget) share(connections int64) int { return int(b.most / 4 / max(connections, 1)) }

// account counts memory that comes from no pool. noted is what it was counted as before.
func (b *budget) account(noted *int, bytes int) {
	if bytes != *noted {
		b.held.Add(int64(bytes - *noted))
		*noted = bytes
	}
}
