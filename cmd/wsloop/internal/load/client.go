package load

import (
	"math"

	"github.com/wsloop/wsloop/engine"
)

// state is how far a client is in its life.
type state uint8

const (
	idle       state = iota // it was not begun, or has ended and may begin again
	connecting              // the attempt is on its way
	open
	closing // we have begun to close it
	gone    // it ended, or did not come about
)

// A client is one connection, and in churn one after another. There are up to a million in a process, so it is small: 64 bytes.
// The lane's lock guards it.
type client struct {
	lane *lane
	conn engine.Conn
	sent *fifo // of the messages that were not answered; nil until it sends

	due   int64 // when the attempt was to begin
	began int64 // when it did
	at    int64 // when the TCP connection was made, and then when the last answer came

	received uint32 // measured messages of a broadcast
	state    state
	slow     bool // it reads nothing
}

// answered takes the answer to a message. For the uncorrected latency it counts as sent no earlier than the answer before it came: as if
// the client had waited for that, which is how latency goes missing.
func (c *client) answered(s stamp, now int64) stamp {
	if s.sent != math.MinInt64 {
		s.sent = max(s.sent, c.at)
	}
	c.at = now
	return s
}

// fifo keeps the stamps of messages in the order in which they were sent. Its zero value is empty.
type fifo struct {
	stamps []stamp // a power of two of them
	head   uint32  // the place of the oldest, to be reduced
	n      uint32
}

func (f *fifo) push(s stamp) {
	if int(f.n) == len(f.stamps) {
		f.grow()
	}
	f.stamps[int(f.head+f.n)&(len(f.stamps)-1)] = s
	f.n++
}

// unpush takes back what was pushed last.
func (f *fifo) unpush() { f.n-- }

// pop takes the oldest. A nil fifo is empty.
func (f *fifo) pop() (s stamp, ok bool) {
	if f == nil || f.n == 0 {
		return stamp{}, false
	}
	s = f.stamps[int(f.head)&(len(f.stamps)-1)]
	f.head++
	f.n--
	return s, true
}

// len is how many there are. A nil fifo is empty.
func (f *fifo) len() int {
	if f == nil {
		return 0
	}
	return int(f.n)
}

func (f *fifo) grow() {
	larger := make([]stamp, max(2, 2*len(f.stamps)))
	for i := range f.n {
		larger[i] = f.stamps[int(f.head+i)&(len(f.stamps)-1)]
	}
	f.stamps, f.head = larger, 0
}
