//go:build linux || darwin || freebsd

package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller/sim"
)

// A simDial is a connection that the engine dials: what the application wants of it, how its far server answers, and what
// became of it.
type simDial struct {
	far *simPeer

	answer       farAnswer
	delay        time.Duration // before the answer
	behind       int           // messages in the same piece as the answer
	lingers      bool          // the far server never ends the TCP connection
	subprotocols []string
	chosen       string
	addresses    int
	source       netip.AddrPort
	own          bool // it has a set of Events of its own
	data         any
	texts        int // that the application sends
	appCloses    bool
	giveUp       time.Duration // after which the application does; 0 for never
	panics       bool          // in DialOptions.Connected
	together     bool          // it is dialed at one time with others

	dialing   *dialing
	began     time.Duration
	refused   error // of Dial itself
	connects  int   // calls of DialOptions.Connected
	dones     int
	conn      Conn
	err       error // that done was called with
	gaveUp    bool
	requested bool
	in        []byte // a frame in pieces
	tried     int    // texts, of those sent those that the far server saw, and those that came back
	sent      int
	seen      int
	back      int
	asked     bool          // the application was asked to close
	closeAt   time.Duration // when the far server sent its Close frame
	hungUp    bool
	how       Closure
}

// draw makes up the connection.
func (d *simDial) draw() {
	c := d.far
	r := c.random
	c.draw()
	if r.IntN(2) == 0 {
		d.answer = farAnswer(r.IntN(int(farAnswers)))
	}
	d.behind, d.delay = r.IntN(4), time.Duration(max(r.IntN(6000)-3000, 0))*time.Millisecond
	d.lingers, d.own, d.appCloses = r.IntN(4) == 0, r.IntN(2) == 0, r.IntN(2) == 0
	d.addresses = 1 + r.IntN(2)
	if d.data = c; d.own && r.IntN(3) == 0 {
		d.data = nil
	}
	if r.IntN(3) == 0 {
		d.subprotocols = []string{"a", "b"}
		d.chosen = []string{"", "a", "b"}[r.IntN(3)]
	}
	if r.IntN(4) == 0 {
		d.source = netip.MustParseAddrPort("10.8.0.1:0")
	}
	if r.IntN(5) == 0 {
		d.giveUp = 1 + time.Duration(r.IntN(4000))*time.Millisecond*time.Duration(r.IntN(2))
	}
	if c.path == "/wild" {
		d.panics = r.IntN(8) == 0
	} else {
		d.texts = r.IntN(5)
	}
}

func (d *simDial) String() string {
	return fmt.Sprintf("%v, %d behind, lingers %v, own %v, %d texts, app closes %v, gives up %v",
		d.answer, d.behind, d.lingers, d.own, d.texts, d.appCloses, d.giveUp)
}

// start dials.
func (d *simDial) start() {
	r := d.far.run
	d.began = r.world.Now()
	o := &DialOptions{Subprotocols: d.subprotocols, Local: d.source, Connected: d.connected}
	if d.own {
		events := r.events(d.owner)
		o.Events = &events
	}
	t, err := r.server.Target(context.Background(), d.url(), o)
	if err == nil {
		if d.addresses == 2 {
			t.addrs = append(t.addrs, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, 1, byte(d.far.id)}), 80))
		}
		d.dialing = &dialing{target: t, data: d.data, done: d.done}
		err = d.dialing.begin()
	}
	if err != nil {
		d.refuse(err)
		return
	}
	if d.giveUp > 0 {
		r.world.After(d.giveUp-1, d.cancel)
	}
	if r.faults.ClockJump == 0 {
		// Each address has a handshake timeout of its own.
		r.world.After(time.Duration(d.addresses)*(r.server.HandshakeTimeout+3*tick), func() {
			if d.dones == 0 {
				d.far.fault("it is neither open nor given up after the handshake timeout")
			}
		})
	}
}

func (d *simDial) url() string { return fmt.Sprintf("ws://10.9.0.%d/path?%d", d.far.id, d.far.id) }

// owner says whose the Events are.
func (d *simDial) owner(c Conn) *simPeer {
	if c.Data() != d.data {
		d.far.fault("a callback with data %v", c.Data())
	}
	return d.far
}

// refuse notes that Dial failed at once.
func (d *simDial) refuse(err error) {
	r := d.far.run
	d.refused = err
	var e *DialError
	if !errors.As(err, &e) || e.Op != DialConnect {
		d.far.fault("Dial fails with %v", err)
	}
	if !r.tight && !r.shut && !r.swept && r.faults.EMFILE == 0 {
		d.far.fault("Dial fails with %v", err)
	}
	if r.shut && !errors.Is(err, ErrServerClosed) {
		d.far.fault("Dial after Shutdown fails with %v", err)
	}
}

// connected is DialOptions.Connected.
func (d *simDial) connected(data any) {
	if d.connects++; d.connects > 1 || data != d.data || d.requested {
		d.far.fault("call %d of Connected, with data %v", d.connects, data)
	}
	if d.panics {
		panic("Connected panics")
	}
}

// done is what Dial calls.
func (d *simDial) done(conn Conn, err error) {
	c := d.far
	if d.dones++; d.dones > 1 {
		c.fault("call %d of done", d.dones)
	}
	if err != nil {
		var e *DialError
		d.err = err
		if !errors.As(err, &e) || conn != (Conn{}) || c.opens != 0 || (e.Op == DialHandshake) != (d.connects == 1) {
			c.fault("done with %v and %v after %d calls of Open and %d of Connected", conn, err, c.opens, d.connects)
		}
		return
	}
	switch {
	case d.answer != farGood || !c.upgraded:
		c.fault("it opened, and the answer was: %v", d.answer)
	case d.gaveUp:
		c.fault("it opened after it was given up")
	case c.opens != 1 && c.run.server.Workers == 0:
		c.fault("done was called after %d calls of Open", c.opens)
	case conn.Data() != d.data || conn.Subprotocol() != d.chosen:
		c.fault("data %v, subprotocol %q", conn.Data(), conn.Subprotocol())
	}
	d.conn = conn
	c.run.world.Go(c.finish)
	d.use()
}

// use has the application send texts, or do in done what callbacks do on a bad day.
func (d *simDial) use() {
	c := d.far
	if c.path == "/wild" {
		switch c.random.IntN(8) {
		case 0:
			c.hush(d.conn.Close(codec.StatusGoingAway, ""))
		case 1:
			d.conn.Abort()
			c.hush(nil)
		case 2:
			c.run.pause(d.conn, c)
		case 3:
			panic("done panics")
		}
		return
	}
	for range d.texts {
		c.run.world.After(time.Duration(c.random.IntN(4000)-1000)*time.Millisecond, d.sendText)
	}
}

// sendText sends the next text. They are short, longer and long, for all forms of the length.
func (d *simDial) sendText() {
	d.tried++
	text := fmt.Sprintf("text %d%s", d.sent, strings.Repeat(".", []int{0, 100, 200, 1000, 20_000}[d.far.random.IntN(5)]))
	switch _, err := d.conn.SendText(text); {
	case err == nil:
		d.sent++
	case !d.far.run.tight && err != ErrClosed:
		d.far.fault("SendText: %v", err)
	}
	d.far.finish()
}

// text is one that reached the far server.
func (d *simDial) text(text string) {
	d.count(&d.seen, text)
	d.far.send(serverFrame(true, codec.OpcodeText, text))
}

// heard is one that came back.
func (d *simDial) heard(text string) {
	d.count(&d.back, text)
	d.far.run.world.Go(d.far.finish)
}

// count checks that texts come in order, and none twice.
func (d *simDial) count(n *int, text string) {
	i := -1
	fmt.Sscanf(text, "text %d", &i)
	if i < *n || i > *n && !d.far.run.tight || i >= d.sent {
		d.far.fault("text %.10q after %d of %d", text, *n, d.sent)
	}
	*n = i + 1
}

// cancel gives it up, as the end of a context does.
func (d *simDial) cancel() {
	r := d.far.run
	d.gaveUp = true
	if d.dones == 0 {
		looks := 0
		var look func()
		look = func() {
			// The clock may have jumped over a second before the loop had its turn, but not twice.
			if looks++; d.dones == 0 && looks == 2 {
				d.far.fault("it is still there two seconds after it was given up")
			} else if d.dones == 0 {
				r.world.After(time.Second, look)
			}
		}
		r.world.After(time.Second, look)
	}
	d.dialing.cancel()
}

// finished says whether the far server may close: all texts came back, and it is not the application that closes.
func (d *simDial) finished() bool {
	if d.conn == (Conn{}) || d.tried < d.texts || d.back < d.sent && !d.far.run.tight {
		return false
	}
	if d.appCloses && !d.asked {
		d.asked = true
		d.far.run.world.Go(func() { d.far.hush(d.conn.Close(codec.StatusNormalClosure, "")) })
	}
	return !d.asked
}

// farErrors are those of done for answers that do not open the connection.
var farErrors = [farAnswers]error{
	farForbidden: handshake.ErrAnswerStatus, farRedirect: handshake.ErrAnswerStatus, farGarbage: handshake.ErrAnswerMalformed,
	farEndless: handshake.ErrAnswerTooLarge, farSilent: ErrTimeout, farFIN: io.EOF, farHalf: io.EOF, farReset: syscall.ECONNRESET,
	farWrongAccept: handshake.ErrAnswerMismatch, farNotOffered: handshake.ErrAnswerMismatch, farExtension: handshake.ErrAnswerMismatch,
}

// judge says what is wrong with the connection, beside what is with every peer.
func (d *simDial) judge() string {
	c, r := d.far, d.far.run
	calm := !r.swept && !d.gaveUp && !d.panics && !r.tight && !r.shut
	f := &r.faults
	reachable := f.DialRefused == 0 && f.DialReset == 0 && f.AddFails == 0 && f.EMFILE == 0
	good := calm && d.steady() && c.path != "/wild" && !c.ill
	last := c.script[len(c.script)-1].kind
	switch {
	case d.refused != nil && d.dones+c.opens+d.connects > 0:
		return fmt.Sprintf("Dial failed, and then %d calls of done, %d of Open", d.dones, c.opens)
	case d.refused == nil && d.dones != 1:
		return fmt.Sprintf("%d calls of done", d.dones)
	case (d.conn != Conn{}) != (c.opens == 1):
		return fmt.Sprintf("%d calls of Open, done with %v", c.opens, d.err)
	case d.panics && d.connects == 1 && !d.gaveUp && !r.shut && !errors.Is(d.err, ErrPanic):
		return fmt.Sprintf("Connected panicked, and done with %v", d.err)
	case calm && d.connects == 1 && d.err != nil && !d.excused():
		return fmt.Sprintf("done with %v, and the answer was: %v", d.err, d.answer)
	case calm && reachable && f.ClockJump == 0 && d.connects == 0:
		return fmt.Sprintf("not connected: %v", d.err)
	case good && last < actGarbage && (d.seen != d.texts || d.back != d.texts):
		return fmt.Sprintf("%d of %d texts arrived, %d came back", d.seen, d.texts, d.back)
	case good && !c.finSent && (d.how.Code != codec.StatusNormalClosure || d.how.Err != nil):
		return fmt.Sprintf("Close says %+v", d.how)
	case calm && c.opens == 1 && c.path != "/wild" && last == actGarbage && !d.asked && f.ClockJump == 0 && !slices.Contains(violationCodes, c.code):
		return fmt.Sprintf("code %d for a violation", c.code)
	}
	return ""
}

// steady says whether it opened and nothing cuts it short: a clock that jumps can have bytes of an ending connection come too late.
func (d *simDial) steady() bool {
	c := d.far
	return c.opens == 1 && !d.gaveUp && (c.run.faults.ClockJump == 0 || c.script[len(c.script)-1].kind < actGarbage)
}

// excused says whether the answer explains the error.
func (d *simDial) excused() bool {
	if d.answer != farGood {
		return errors.Is(d.err, farErrors[d.answer])
	}
	return d.far.ill || d.far.run.faults.ClockJump > 0
}

// stale checks that a connection that is gone does nothing any more.
func (d *simDial) stale() {
	if d.conn == (Conn{}) {
		return
	}
	_, err := d.conn.SendText("stale")
	_, why := d.conn.Stats()
	if err != ErrClosed || why != ErrClosed || d.conn.Data() != nil || d.conn.Subprotocol() != "" || d.conn.RemoteAddr().IsValid() {
		d.far.fault("its Conn is not inert: %v, %v, %v", err, why, d.conn.Data())
	}
}

// reached is called when a connection of the engine's arrives at a far server.
func (r *simRun) reached(p *sim.Peer) {
	if id := int(p.Addr().Addr().As4()[3]); id < len(r.peers) && r.peers[id].dial != nil {
		r.peers[id].dial.reached(p)
		return
	}
	r.complain("the engine dialed %v", p.Addr())
}
