package tlsdriver

import (
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsloop/wsloop/poller"
)

const (
	// plainBytes holds what one read of the native driver decrypts to, with the record begun before it, and room for one record.
	plainBytes = 96 << 10
	// outBytes is how much ciphertext is gathered for one write.
	outBytes = 64 << 10
)

// slot is what every connection of the inner loop costs here.
type slot struct {
	conn atomic.Pointer[conn] // nil: a plain connection. Stored by the loop
	// secured is the generation of the last TLS connection in this slot. It outlives conn, because TryWrite must not find a
	// plain connection before the inner driver has given the token up.
	secured atomic.Uint32
}

// layer stands between an inner loop and the upper handler. Only the loop's goroutine touches it,
// but for the last group of fields.
type layer struct {
	driver *Driver
	inner  poller.Loop
	upper  poller.Handler

	slots   poller.Slab[slot]
	buffers poller.Buffers
	plain   []byte // what is decrypted, one connection at a time; made with the first
	joined  []byte // pieces that Writev gathers for one record
	input   []byte // what crypto/tls may read now
	left    []byte // ciphertext that comes again, while the upper handler has the plaintext before it
	out     []byte // what crypto/tls wrote
	writes  int    // how often it wrote

	again []*conn // to be looked at on the next turn
	due   []*conn // to be looked at on this one

	oldest, newest *handshake // in the order in which they began
	clientConfigs  copied

	stopping atomic.Bool // Stop was called
	goodbye  bool        // and was followed
	called   atomic.Bool // posted is not empty
	mu       sync.Mutex  // guards what follows
	posted   []*handshake
}

var (
	_ poller.Handler = (*layer)(nil)
	_ poller.Loop    = (*layer)(nil)
)

func newLayer(d *Driver, inner poller.Loop) *layer {
	l := &layer{driver: d, inner: inner}
	l.buffers.Meter, l.buffers.Keep = d.options.Meter, d.options.Keep
	return l
}

// find returns the TLS connection that t names, or nil. Any goroutine.
func (l *layer) find(t poller.Token) *conn {
	if int(t.Slot()) >= l.slots.Len() {
		return nil
	}
	c := l.slots.At(t.Slot()).conn.Load()
	if c == nil || c.token != t {
		return nil
	}
	return c
}

// begin makes a TLS connection of one that the inner driver just told of.
func (l *layer) begin(t poller.Token, p phase, flags connFlags) *conn {
	if l.plain == nil {
		l.plain = make([]byte, 0, plainBytes)
		l.joined = make([]byte, 0, maxPlaintext)
	}
	l.slots.Grow(t.Slot())
	c := &conn{layer: l, token: t, phase: p, flags: flags}
	s := l.slots.At(t.Slot())
	s.secured.Store(t.Generation())
	s.conn.Store(c)
	return c
}

// Open implements poller.Handler.
func (l *layer) Open(t poller.Token) {
	if l.driver.config.Load() == nil {
		l.upper.Open(t)
		return
	}
	l.expect(l.begin(t, phaseHandshake, 0))
}

// Dialing implements poller.Handler.
func (l *layer) Dialing(t poller.Token, tag any) {
	if a, ok := tag.(*adopted); ok {
		l.adopting(t, a)
		return
	}
	if config := l.driver.options.Client(tag); config != nil {
		l.begin(t, phaseConnecting, connDialed|connTold).client = l.clientConfigs.of(config)
	}
	l.upper.Dialing(t, tag)
}

// Connected implements poller.Handler.
func (l *layer) Connected(t poller.Token) {
	c := l.find(t)
	if c == nil {
		l.upper.Connected(t)
		return
	}
	if c.secured.Load() != nil {
		l.arrive(c)
		return
	}
	c.phase = phaseHandshake
	l.expect(c)
	if c.phase == phaseHandshake {
		c.handshake.start(tls.Client(c.wire, c.client))
	}
}

// Buffer implements poller.Handler. Ciphertext goes to the driver's.
func (l *layer) Buffer(t poller.Token) []byte {
	if l.find(t) != nil {
		return nil
	}
	return l.upper.Buffer(t)
}

// Data implements poller.Handler.
func (l *layer) Data(t poller.Token, b []byte) (consumed int) {
	c := l.find(t)
	if c == nil {
		return l.upper.Data(t, b)
	}
	switch c.phase {
	case phaseHandshake:
		return l.feed(c, b)
	case phaseOpen:
		return l.receive(c, b)
	default:
		return len(b)
	}
}

// EOF implements poller.Handler. It never finds plaintext that still waits, for then the inner connection is paused.
func (l *layer) EOF(t poller.Token) {
	c := l.find(t)
	if c == nil {
		l.upper.EOF(t)
		return
	}
	switch c.phase {
	case phaseHandshake:
		l.feedEOF(c)
	case phaseLingering:
		l.abandon(c, nil)
	case phaseOpen:
		if c.flags&connNotified == 0 {
			c.flags |= connEOFDue
			l.settle(c)
		}
	}
}

// Progress implements poller.Handler.
func (l *layer) Progress(t poller.Token, pending int) {
	if c := l.find(t); c == nil || c.phase == phaseOpen {
		l.upper.Progress(t, pending)
	}
}

// Drained implements poller.Handler.
func (l *layer) Drained(t poller.Token) {
	if c := l.find(t); c == nil || c.phase == phaseOpen {
		l.upper.Drained(t)
	}
}

// Closed implements poller.Handler.
func (l *layer) Closed(t poller.Token, err error) {
	c := l.find(t)
	if c == nil {
		l.upper.Closed(t, err)
		return
	}
	switch c.phase {
	case phaseClosed:
		err = c.reason
	case phaseHandshake:
		l.driver.stats.fail(err)
	}
	c.phase = phaseClosed // the goroutine of a handshake may have posted, or post yet
	l.drop(c)
	l.slots.At(t.Slot()).conn.Store(nil)
	if c.flags&connTold != 0 {
		l.upper.Closed(t, err)
	}
}

// Flush implements poller.Handler.
func (l *layer) Flush() {
	l.takePosted()
	for _, c := range l.due {
		c.flags &^= connListed
		l.presentAgain(c)
	}
	clear(l.due)
	if l.stopping.Load() && !l.goodbye {
		l.sayGoodbye()
	}
	l.upper.Flush()
	l.due, l.again = l.again, l.due[:0]
	if len(l.due) > 0 {
		l.inner.Wake()
	}
}

// Tick implements poller.Handler.
func (l *layer) Tick(now time.Duration) {
	l.expire(now)
	l.buffers.Trim()
	l.upper.Tick(now)
}

// sayGoodbye closes the connections with close_notify, for Driver.Stop.
func (l *layer) sayGoodbye() {
	l.goodbye = true
	for i := range l.slots.Len() {
		if c := l.slots.At(uint32(i)).conn.Load(); c != nil {
			l.Close(c.token, poller.ErrStopped)
		}
	}
	l.driver.saidGoodbye()
}
