package nats

import (
	"sync"
	"sync/atomic"
	"time"

	client "github.com/nats-io/nats.go"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// arrivals are the messages of all subscriptions, in the order in which they came.
type arrivals struct {
	messages chan *client.Msg // nil stands for a gap
	waiting  atomic.Bool      // the reader of the socket waits
	room     chan struct{}
	stopped  chan struct{}
	done     chan struct{}
}

// The client library reads 32 KiB at once, in which are 2,600 messages at most, the shortest taking 13 bytes. As much room is left when
// the socket is read, so that it never finds the channel full.
const (
	arrivalsRoom = 4096
	arrivalsHigh = 1024
)

func (a *arrivals) init() {
	a.messages = make(chan *client.Msg, arrivalsRoom)
	a.room = make(chan struct{}, 1)
	a.stopped, a.done = make(chan struct{}), make(chan struct{})
}

// waitForRoom is called by the goroutine that reads the socket, the only one that adds messages.
func (a *arrivals) waitForRoom() {
	for len(a.messages) > arrivalsHigh {
		a.waiting.Store(true)
		if len(a.messages) <= arrivalsHigh {
			return
		}
		select {
		case <-a.room:
		case <-a.stopped:
			return
		}
	}
}

// taken is called when a message was taken out.
func (a *arrivals) taken() {
	if a.waiting.Load() && len(a.messages) <= arrivalsHigh {
		a.waiting.Store(false)
		select {
		case a.room <- struct{}{}:
		default:
		}
	}
}

// gap puts a gap behind what has come so far.
func (a *arrivals) gap() { a.messages <- nil }

// stop ends sort, when nobody calls gap any more.
func (a *arrivals) stop() {
	close(a.stopped)
	<-a.done
}

// sort looks at what arrives, and puts into the inbox what is to be delivered. It never waits for anything else, so that NATS does
// not take us for slow.
func (b *Bridge) sort() {
	defer close(b.arrivals.done)
	known := origins{most: maxOrigins}
	for {
		select {
		case m := <-b.arrivals.messages:
			b.arrivals.taken()
			if m == nil {
				b.inbox.push(arrival{})
			} else {
				b.judge(&known, m)
			}
		case <-b.arrivals.stopped:
			return
		}
	}
}

func (b *Bridge) judge(known *origins, m *client.Msg) {
	name, ours := b.nameOf(m.Subject)
	e, payload, ok := open(m.Data)
	if !ours || !ok || len(payload) > b.options.MaxMessageBytes {
		b.counters.refused.Add(1)
		return
	}
	if e.origin == b.origin { // NATS does not send these, unless accounts are joined
		b.counters.echoes.Add(1)
		return
	}
	switch known.judge(e.origin, e.sequence) {
	case duplicate:
		b.counters.duplicates.Add(1)
	case late:
		b.counters.late.Add(1)
		b.inbox.lose()
	case fresh:
		b.inbox.push(arrival{name, e.op, payload})
	}
}

// arrival is a message that waits to be delivered; one without an opcode is a gap.
type arrival struct {
	name    string
	op      codec.Opcode
	payload []byte
}

// inbox is what waits to be delivered.
type inbox struct {
	mu      sync.Mutex
	queue   queue[arrival]
	lossy   bool // something was lost: a gap is to be told
	told    time.Time
	pause   time.Duration // between two such gaps, while there is more than can be delivered
	filled  chan struct{}
	stopped chan struct{}
	done    chan struct{}
}

func (in *inbox) init(o Options, c *counters) {
	in.queue = queue[arrival]{mostItems: o.MaxQueued, mostBytes: o.MaxQueuedBytes, dropped: func(a arrival) {
		in.lossy = true
		if a.op != 0 {
			c.overrun.Add(1)
		}
	}}
	in.pause = o.Heartbeat
	in.filled = make(chan struct{}, 1)
	in.stopped, in.done = make(chan struct{}), make(chan struct{})
}

func (in *inbox) push(a arrival) {
	in.mu.Lock()
	in.queue.push(a, messageOverhead+len(a.name)+len(a.payload))
	in.mu.Unlock()
	in.nudge()
}

// lose has a gap told.
func (in *inbox) lose() {
	in.mu.Lock()
	in.lossy = true
	in.mu.Unlock()
	in.nudge()
}

func (in *inbox) nudge() {
	select {
	case in.filled <- struct{}{}:
	default:
	}
}

// take moves what is to be delivered next to dst. While messages are being lost, a gap is told at the end of that, when all that waits is taken,
// and now and then before.
func (in *inbox) take(dst []arrival, now time.Time) (_ []arrival, gap bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	dst = in.queue.take(dst, roundBytes)
	if in.lossy && (in.queue.len() == 0 || now.Sub(in.told) > in.pause) {
		in.lossy, in.told, gap = false, now, true
	}
	return dst, gap
}

// stop ends deliver. Nothing is delivered once it has returned.
func (in *inbox) stop() {
	close(in.stopped)
	<-in.done
}

// deliver hands over what is in the inbox, in its order.
func (b *Bridge) deliver() {
	in := &b.inbox
	defer close(in.done)
	var taken []arrival
	for {
		var gap bool
		taken, gap = in.take(taken[:0], time.Now())
		if gap {
			b.tellGap()
		}
		for i := range taken {
			select {
			case <-in.stopped:
				return
			default:
			}
			b.hand(&taken[i])
		}
		clear(taken)
		if len(taken) > 0 {
			continue
		}
		select {
		case <-in.filled:
		case <-in.stopped:
			return
		}
	}
}

func (b *Bridge) hand(a *arrival) {
	if a.op == 0 {
		b.tellGap()
		return
	}
	switch err := b.receiver.Deliver(a.name, a.op, a.payload); err {
	case nil:
		b.counters.received.Add(1)
	case engine.ErrServerClosed:
	default:
		b.counters.refused.Add(1)
	}
}

func (b *Bridge) tellGap() {
	b.counters.gaps.Add(1)
	b.receiver.Gap()
}
