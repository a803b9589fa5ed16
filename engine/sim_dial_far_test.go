//go:build linux || darwin || freebsd

package engine

import (
	"bufio"
	"bytes"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller/sim"
)

// farAnswer is what a far server says to the opening handshake.
type farAnswer uint8

const (
	farGood farAnswer = iota
	farForbidden
	farRedirect
	farGarbage
	farEndless
	farSilent
	farFIN
	farHalf // then FIN
	farReset
	farWrongAccept
	farNotOffered
	farExtension
	farAnswers
)

var answerNames = [farAnswers]string{
	"101", "403", "302", "garbage", "an endless head", "nothing", "FIN", "half an answer", "RST", "101 for another key",
	"101 with a subprotocol", "101 with an extension",
}

func (a farAnswer) String() string { return answerNames[a] }

// serverViolations are what no server may send.
var serverViolations = []string{
	"\xff\xff\xff\xff", masked(true, codec.OpcodeText, "hello"), "\x83\x00", "\x89\x7e\x00\x7e", serverFrame(true, codec.OpcodeText, "\xff"),
	serverFrame(true, codec.OpcodeContinuation, "x"), serverFrame(false, codec.OpcodePing, ""),
	string(codec.AppendHeader(nil, true, codec.OpcodeBinary, math.MaxInt32)), serverFrame(true, codec.OpcodeClose, "\x03"),
}

// violationCodes are what they are answered with.
var violationCodes = []int{int(codec.StatusProtocolError), int(codec.StatusInvalidFramePayloadData), int(codec.StatusMessageTooBig)}

// reached is called with the connection's far end. An attempt at one address may arrive when the engine has turned to the next,
// but not after a request.
func (d *simDial) reached(p *sim.Peer) {
	c := d.far
	if len(c.head) > 0 || p.Source() != d.source {
		c.fault("it is dialed from %v after %d bytes of a request", p.Source(), len(c.head))
	}
	c.peer, c.end = p, nil
	c.cut()
	p.OnData(func(b []byte) {
		if c.peer == p {
			d.take(bytes.Clone(b))
		}
	})
	p.OnEnd(func(err error) {
		if c.peer == p {
			c.end = err
			d.ended()
		}
	})
}

// take takes what the engine sent: a request, and after the answer frames. Each is looked at whole, for its key.
func (d *simDial) take(b []byte) {
	c := d.far
	if !d.requested {
		c.head = append(c.head, b...)
		i := bytes.Index(c.head, []byte("\r\n\r\n"))
		if i < 0 {
			return
		}
		d.requested = true
		d.request(c.head[:i+4])
		b = c.head[i+4:]
	}
	if len(b) > 0 && !c.upgraded {
		c.fault("%d bytes before the answer", len(b))
		return
	}
	d.in = append(d.in, b...)
	for len(d.in) > 0 {
		h, n, err := codec.ParseHeader(d.in)
		if err != nil {
			c.fault("the engine violates the protocol: %v", err)
		}
		if err != nil || n == 0 || uint64(len(d.in)-n) < h.PayloadLen {
			break
		}
		c.run.noteKey(h.MaskingKey)
		n += int(h.PayloadLen)
		c.frames(d.in[:n])
		d.in = d.in[n:]
	}
	c.finish()
}

// noteKey notes a masking key. There are so many that one may come twice by chance, but hardly two.
func (r *simRun) noteKey(key uint32) {
	if r.keys[key] {
		r.repeats++
	}
	if r.keys[key] = true; r.repeats > 1 {
		r.complain("masking keys are used again")
	}
}

// request checks the opening handshake, and has it answered.
func (d *simDial) request(head []byte) {
	c := d.far
	q, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		c.fault("request %q: %v", head, err)
		return
	}
	key := q.Header.Get("Sec-WebSocket-Key")
	if c.run.nonces[key] {
		c.fault("Sec-WebSocket-Key %q is used again", key)
	}
	c.run.nonces[key] = true
	if "ws://"+q.Host+q.RequestURI != d.url() || q.Header.Get("Sec-WebSocket-Protocol") != strings.Join(d.subprotocols, ", ") {
		c.fault("request %q", head)
	}
	answer := &accepted{request: q}
	if d.delay == 0 {
		d.reply(answer)
		return
	}
	c.run.world.After(d.delay, func() { d.reply(answer) })
}

// reply answers.
func (d *simDial) reply(a *accepted) {
	p := d.far.peer
	switch d.answer {
	case farGood:
		d.open(a)
	case farForbidden:
		p.Send([]byte("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"))
	case farRedirect:
		p.Send([]byte("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"))
	case farGarbage:
		p.Send([]byte("220 mail.example ESMTP\r\n"))
	case farEndless:
		p.Send([]byte("HTTP/1.1 101 Switching Protocols\r\n"))
		d.sayMore()
	case farFIN:
		p.CloseWrite()
	case farHalf:
		whole := a.answer()
		p.Send([]byte(whole[:d.far.random.IntN(len(whole)-1)+1]))
		p.CloseWrite()
	case farReset:
		p.Reset()
	case farWrongAccept:
		a.request.Header.Set("Sec-WebSocket-Key", "x")
		p.Send([]byte(a.answer()))
	case farNotOffered:
		p.Send([]byte(a.answer("Sec-WebSocket-Protocol: c")))
	case farExtension:
		p.Send([]byte(a.answer("Sec-WebSocket-Extensions: permessage-deflate")))
	}
}

// sayMore goes on with a head that has no end.
func (d *simDial) sayMore() {
	d.far.peer.Send([]byte("X-Field: " + strings.Repeat("x", 900) + "\r\n"))
	if d.far.end == nil {
		d.far.run.world.After(200*time.Millisecond, d.sayMore)
	}
}

// open answers 101, with the first messages in the same piece, and begins with the script.
func (d *simDial) open(a *accepted) {
	c := d.far
	var fields []string
	if d.chosen != "" {
		fields = []string{"Sec-WebSocket-Protocol: " + d.chosen}
	}
	c.upgraded = true
	c.decoder = codec.NewDecoder(codec.RoleServer)
	// No two answers are alike, so that one cannot be taken for another.
	out := strings.Replace(a.answer(fields...), "\r\n", "\r\nServer: "+strings.Repeat("s", 1+c.random.IntN(100))+"\r\n", 1)
	for range d.behind {
		payload := c.payload(c.random.IntN(300))
		out += serverFrame(true, codec.OpcodeBinary, string(payload))
		c.expect(payload)
	}
	c.send(out)
	c.next(0)
}

// closing is called when the far server sends its Close frame.
func (d *simDial) closing() {
	r := d.far.run
	d.closeAt = r.world.Now()
}

// hangUp ends the TCP connection after a while, as the server has to when both Close frames have come; or never, and then the
// engine has to.
func (d *simDial) hangUp() {
	c := d.far
	if !d.lingers {
		c.run.world.After(time.Duration(c.random.IntN(3000))*time.Millisecond, func() {
			d.hungUp = true
			c.peer.Close()
			d.mustEnd(3*tick, "the far server ended the TCP connection, and the engine does not")
		})
		return
	}
	d.mustEnd(c.run.server.CloseTimeout+3*tick, "the engine waits for the end of the TCP connection and does not time out")
}

// mustEnd takes care that Close is called soon.
func (d *simDial) mustEnd(soon time.Duration, otherwise string) {
	r := d.far.run
	if r.faults.ClockJump > 0 {
		return
	}
	r.world.After(soon, func() {
		if d.far.closes < d.far.opens && !d.far.vanished {
			d.far.fault("%s", otherwise)
		}
	})
}

// ended is called when the engine ended the TCP connection. After a clean closing handshake it has to wait for the server to do
// so (RFC 6455 section 7.1.1).
func (d *simDial) ended() {
	c, r := d.far, d.far.run
	clean := c.closed && c.closeSent && !c.finSent && !c.ill && c.path != "/wild" && !d.gaveUp && !r.swept &&
		slices.Contains([]int{int(codec.StatusNormalClosure), int(codec.StatusGoingAway)}, c.code)
	if waited := r.world.Now() - d.closeAt; clean && !r.late() && !d.hungUp && waited < r.server.CloseTimeout-tick {
		c.fault("the engine ended the TCP connection first, %v after the Close frames", waited)
	}
}
