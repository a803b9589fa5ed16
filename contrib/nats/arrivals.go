package nats

import (
	"sync/atomic"

	client "github.com/nats-io/nats.go"
)

// arrivals are the messages of all subscriptions of a link, in the order in which they came.
type arrivals struct {
	messages chan *client.Msg
	waiting  atomic.Bool // the reader of the socket waits
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

// pass gives each message to take, which must not wait: NATS would take us for slow. It returns when all that came before stop has been
// given.
func (a *arrivals) pass(take func(*client.Msg)) {
	defer close(a.done)
	for {
		select {
		case m := <-a.messages:
			a.taken()
			take(m)
		case <-a.stopped:
			for len(a.messages) > 0 {
				take(<-a.messages)
			}
			return
		}
	}
}

// stop ends pass, when the connection is closed and adds nothing any more.
func (a *arrivals) stop() {
	close(a.stopped)
	<-a.done
}
