//go:build linux || darwin || freebsd

package engine

import (
	"strconv"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

func (r *simRun) upgrade(c Conn, q *handshake.Request, _ *handshake.Response) {
	id, err := strconv.Atoi(string(q.Query()))
	if err != nil {
		r.complain("query %q", q.Query())
		return
	}
	c.SetData(r.peers[id])
}

// events are callbacks that know whose connection they are called for.
func (r *simRun) events(of func(Conn) *simPeer) Events {
	return Events{
		Open:    func(c Conn) { r.opened(r.alive(of(c)), c) },
		Message: func(c Conn, op codec.Opcode, payload []byte) { r.message(r.alive(of(c)), c, op, payload) },
		Ping:    func(c Conn, _ []byte) { r.alive(of(c)) },
		Pong:    func(c Conn, _ []byte) { r.alive(of(c)) },
		Drained: func(c Conn) { r.alive(of(c)) },
		Close:   func(c Conn, how Closure) { r.closed(r.alive(of(c)), how) },
	}
}

// peerOf is for those whose peer is their data.
func (r *simRun) peerOf(c Conn) *simPeer {
	p, _ := c.Data().(*simPeer)
	if p == nil {
		r.complain("a callback without its data")
		return &simPeer{run: r}
	}
	if p.dial != nil && p.dial.own {
		r.complain("peer %d: not its Events", p.id)
	}
	return p
}

// alive checks that a callback does not come before Open or after Close.
func (r *simRun) alive(p *simPeer) *simPeer {
	if p.closes > 0 {
		r.complain("peer %d: a callback after Close", p.id)
	}
	return p
}

func (r *simRun) opened(p *simPeer, c Conn) {
	p.opens++
	p.conn = c
	if r.live++; r.tight && r.live > r.server.MaxConnections {
		r.complain("%d connections are open", r.live)
	}
}

func (r *simRun) closed(p *simPeer, how Closure) {
	if p.opens != 1 {
		r.complain("peer %d: Close without Open", p.id)
	}
	p.closes++
	r.live--
	if p.dial != nil {
		p.dial.how = how
	}
}

func (r *simRun) message(p *simPeer, c Conn, op codec.Opcode, payload []byte) {
	if p.opens != 1 || p.hushed {
		r.complain("peer %d: a message before Open, or after Conn.Close", p.id)
	}
	if op == codec.OpcodeText && p.dial != nil && p.path != "/wild" {
		p.dial.heard(string(payload))
		return
	}
	p.received += p.copies()
	switch p.path {
	case "/echo", "/many":
		for range p.copies() {
			_, _ = c.Send(op, payload)
		}
	case "/fragments":
		r.sendFragments(c, op, payload)
	case "/wild":
		r.wild(c, p, op, payload)
	}
}

// sendFragments echoes in three fragments. Where there is no room for all of them, the connection is given up: the message
// cannot be taken back.
func (r *simRun) sendFragments(c Conn, op codec.Opcode, payload []byte) {
	w, err := c.NewWriter(op)
	if err != nil {
		return
	}
	half := len(payload) / 2
	for _, p := range [][]byte{payload[:half], payload[half:]} {
		if _, err := w.Write(p); err != nil {
			c.Abort()
			return
		}
	}
	if w.Close() != nil {
		c.Abort()
	}
}

// wild does what callbacks do on a bad day.
func (r *simRun) wild(c Conn, p *simPeer, op codec.Opcode, payload []byte) {
	if p.paused {
		p.early++
	}
	switch r.random.IntN(16) {
	case 0:
		panic("a callback panics")
	case 1:
		p.hush(c.Close(codec.StatusGoingAway, ""))
		if c.Ping(nil) == nil {
			r.complain("peer %d: Ping after a Close frame", p.id)
		}
	case 2:
		c.Abort()
		p.hush(nil)
	case 3, 4:
		r.pause(c, p)
	case 5:
		_ = c.SetOverflow(Overflow{Policy: OverflowPolicy(r.random.IntN(4)), TTL: time.Duration(r.random.IntN(2)) * time.Second})
	case 6, 9, 10:
		r.burst(c, op)
	case 7:
		r.world.After(time.Duration(r.random.IntN(5000))*time.Millisecond, func() { r.sendLate(c, p) })
	case 8:
		for range 2 {
			for _, to := range r.peers {
				_, _ = to.conn.SendText(to.address())
			}
		}
	case 11:
		if r.faults.ClockJump == 0 {
			break // the model knows by when things have to happen
		}
		r.world.Block(time.Duration(r.random.IntN(3000)) * time.Millisecond)
	case 14, 15:
		r.share(op, payload)
	default:
		_, _ = c.Send(op, payload)
		_ = c.Ping(nil)
	}
}

// share sends what is encoded once to all who do not count what they get.
func (r *simRun) share(op codec.Opcode, payload []byte) {
	for range 1 + r.random.IntN(3) {
		prepared, err := r.server.Prepare(op, payload)
		if err != nil {
			r.complain("Prepare: %v", err)
			return
		}
		for _, to := range r.peers {
			if to.path == "/wild" && to.dial == nil {
				_, _ = to.conn.SendPrepared(prepared, Delivery{Key: to.path})
			}
		}
	}
}

// pause pauses a connection for a while. What is held back comes after Resume, or when the connection ends.
func (r *simRun) pause(c Conn, p *simPeer) {
	c.Pause()
	p.paused = true
	r.world.After(time.Duration(r.random.IntN(2000))*time.Millisecond, func() {
		if p.early > 0 && p.closes == 0 {
			r.complain("peer %d: %d messages while it was paused", p.id, p.early)
		}
		p.paused = false
		c.Resume()
	})
}

// burst sends more than may wait, and among what waits a message in fragments.
func (r *simRun) burst(c Conn, op codec.Opcode) {
	payload := make([]byte, 5000+r.random.IntN(15_000))
	begin := commitBytes/len(payload) + 1
	for i := range begin + r.random.IntN(12) {
		if i == begin {
			r.sendFragments(c, op, payload)
		}
		_, _ = c.SendWith(op, payload, Delivery{Key: strconv.Itoa(i % 3)})
	}
}

// sendLate sends from outside, when the connection may be gone and its slot another's.
func (r *simRun) sendLate(c Conn, p *simPeer) {
	_, err := c.Send(codec.OpcodeBinary, []byte("late"))
	if (err == nil || c.Ping(nil) == nil) && p.closes > 0 {
		r.complain("peer %d: Send or Ping after Close", p.id)
	}
}
