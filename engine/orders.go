package engine

import "github.com/wsloop/wsloop/poller"

// An order tells the loop what other goroutines, or callbacks, decided about a
// connection.
type order struct {
	token poller.Token
	kind  orderKind
}

type orderKind uint8

const (
	orderClosing orderKind = iota // its Close frame was sent
	orderAbort                    // close it without one
	orderTooSlow                  // it was given up because its peer is slow
	orderPanic                    // a callback on a worker panicked
	orderPause                    // hold its messages back
	orderResume                   // deliver them again
	orderRead                     // there is room in its inbox
)

// order gives an order. loop.mu is held; Wake is to follow.
func (l *loop) order(t poller.Token, kind orderKind) {
	l.orders = append(l.orders, order{t, kind})
	l.ordered.Store(true)
}

// applyOrders takes up the orders, on the loop's goroutine.
func (l *loop) applyOrders() {
	if !l.ordered.Load() {
		return
	}
	l.mu.Lock()
	l.orders, l.ordersNow = l.ordersNow[:0], l.orders
	l.ordered.Store(false)
	l.mu.Unlock()
	for _, o := range l.ordersNow {
		if s := l.find(o.token); s != nil {
			l.applyOrder(o.token, s, o.kind)
		}
	}
}

func (l *loop) applyOrder(t poller.Token, s *session, kind orderKind) {
	switch kind {
	case orderAbort:
		s.phase = phaseDiscarding
		l.driver.Close(t, ErrAborted)
	case orderClosing:
		if s.phase == phaseOpen {
			l.unpause(t, s)
			s.phase = phaseClosing
			l.expect(t.Slot(), l.settings.deadlines.close)
		}
	case orderTooSlow:
		l.discardRest(t, s, ErrTooSlow)
	case orderPanic:
		l.failPanic(t, s)
	case orderPause:
		if s.phase == phaseOpen {
			s.flags |= flagQueues
		}
	case orderResume:
		if l.server.workers == nil && s.flags&flagQueues != 0 {
			l.resumed = append(l.resumed, t)
		}
	case orderRead:
		l.resume(t, s, pauseInbox)
	}
}
