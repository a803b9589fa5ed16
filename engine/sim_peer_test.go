//go:build linux || darwin || freebsd

package engine

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller/sim"
)

// An action is a step of a simulated peer's script.
type action struct {
	kind actionKind
	n    int
	wait time.Duration // before the next one
}

type actionKind uint8

const (
	actMessage   actionKind = iota // n bytes in one frame
	actFragments                   // n bytes in several frames, with a ping in between
	actPing
	actWindow // takes n more bytes and no more
	actOpen   // takes everything again
	// What follows ends the peer's good behaviour.
	actGarbage // violation n
	actClose
	actFIN
	actReset
	actVanish
	actionKinds
)

var actionNames = [actionKinds]string{"message", "fragments", "ping", "window", "open", "garbage", "close", "fin", "reset", "vanish"}

func (a action) String() string { return fmt.Sprintf("%s(%d)+%v", actionNames[a.kind], a.n, a.wait) }

// violations are what no client may send.
var violations = []string{
	"\xff\xff\xff\xff", "\x81\x05hello", "\x83\x80\x00\x00\x00\x00", "\x89\xfe\x00\x7e\x00\x00\x00\x00",
	masked(true, codec.OpcodeText, "\xff"), masked(true, codec.OpcodeContinuation, "x"), masked(false, codec.OpcodePing, ""),
	string(codec.AppendMaskedHeader(nil, true, codec.OpcodeBinary, math.MaxInt32, 1)), masked(true, codec.OpcodeClose, "\x03"),
}

// simPeer is the far end of a connection, with a script and what it knows of the connection: a client, or a server that
// is dialed.
type simPeer struct {
	run    *simRun
	id     int
	random *rand.Rand
	path   string // what the callbacks do
	script []action
	peer   *sim.Peer
	dial   *simDial // of a server; nil for a client
	simDeflate

	head      []byte // what the other side says before frames, until it is complete
	upgraded  bool
	decoder   codec.Decoder
	assembler codec.Assembler
	sent      [][]byte // messages, as often as they are to be echoed
	echoed    int
	pings     int
	answered  int  // the last ping that was answered: a pong answers those before too
	scripted  bool // the script is done
	ill       bool // it did what a good client does not: it may be cut off
	closeSent bool
	finSent   bool
	vanished  bool
	closed    bool  // a Close frame came
	code      int   // its code
	end       error // how the engine ended the connection
	problem   string

	// What the engine's callbacks said.
	opens, closes, received int
	conn                    Conn
	paused                  bool
	hushed                  bool // no message may come any more: the application closed it
	early                   int  // messages that came while it was paused
}

// draw writes the peer's script.
func (c *simPeer) draw() {
	r := c.random
	c.simDeflate.draw(r)
	c.path = []string{"/echo", "/many", "/fragments", "/wild"}[r.IntN(4)]
	for range 1 + r.IntN(8) {
		a := action{kind: actionKind(r.IntN(int(actOpen) + 1)), wait: time.Duration(r.IntN(400)) * time.Millisecond}
		switch a.kind {
		case actMessage, actFragments:
			a.n = []int{0, 1, 125, 126, 1000, 20_000}[r.IntN(6)]
		case actWindow:
			a.n = r.IntN(2000)
		}
		c.script = append(c.script, a)
	}
	if r.IntN(3) == 0 {
		last := action{kind: actGarbage + actionKind(r.IntN(int(actionKinds-actGarbage))), n: r.IntN(len(violations))}
		c.script = append(c.script, last)
	}
}

func (c *simPeer) String() string {
	lines := make([]string, len(c.script))
	for i, a := range c.script {
		lines[i] = a.String()
	}
	text := fmt.Sprintf("%s %d %s: %s", c.kind(), c.id, c.path, strings.Join(lines, " "))
	if c.dial != nil {
		text += "; " + c.dial.String()
	}
	return text
}

func (c *simPeer) kind() string {
	if c.dial != nil {
		return "dialed server"
	}
	return "client"
}

// comes is when it starts.
func (c *simPeer) comes() time.Duration {
	if c.dial != nil && c.dial.together {
		return time.Second
	}
	return time.Duration(c.random.IntN(4000)) * time.Millisecond
}

// start has a client dial and ask for a WebSocket, or the engine dial a server.
func (c *simPeer) start() {
	if c.dial != nil {
		c.dial.start()
		return
	}
	w := c.run.world
	c.peer = w.Dial()
	c.cut()
	c.peer.OnData(c.data)
	c.peer.OnEnd(func(err error) { c.end = err })
	c.decoder = codec.NewDecoder(codec.RoleClient)
	var fields []string
	if c.offer != "" {
		fields = []string{c.offer}
	}
	c.peer.Send([]byte(head(c.path+"?"+fmt.Sprint(c.id), fields...)))
	c.next(0)
}

func (c *simPeer) cut() {
	if c.run.swept {
		c.peer.Cut(sim.CutNowhere) // for fewer calls
		return
	}
	c.peer.Cut([]sim.Cut{sim.CutNowhere, sim.CutBytes, sim.CutAnywhere}[c.random.IntN(3)])
}

// next carries the script on from step i.
func (c *simPeer) next(i int) {
	if i == len(c.script) {
		c.scripted = true
		c.peer.Window(-1)
		c.finish()
		return
	}
	a := c.script[i]
	c.do(a)
	c.run.world.After(a.wait, func() { c.next(i + 1) })
}

func (c *simPeer) do(a action) {
	switch a.kind {
	case actMessage:
		payload := c.payload(a.n)
		out, compressed := c.compress(payload)
		c.send(mark(c.frame(true, codec.OpcodeBinary, string(out)), compressed))
		c.expect(payload)
	case actFragments:
		payload := c.payload(a.n)
		out, compressed := c.compress(payload)
		third := len(out) / 3
		c.send(mark(c.frame(false, codec.OpcodeBinary, string(out[:third])), compressed) + c.ping() +
			c.frame(false, codec.OpcodeContinuation, string(out[third:2*third])) +
			c.frame(true, codec.OpcodeContinuation, string(out[2*third:])))
		c.expect(payload)
	case actPing:
		c.send(c.ping())
	case actWindow:
		c.peer.Window(a.n)
	case actOpen:
		c.peer.Window(-1)
	default:
		c.misbehave(a)
	}
}

func (c *simPeer) misbehave(a action) {
	// Who closes or half-closes still gets the answers to all that it sent, but not what workers would have sent.
	c.ill = a.kind != actClose && a.kind != actFIN || c.run.server.Workers > 0
	switch a.kind {
	case actGarbage:
		if c.dial != nil {
			c.send(serverViolations[a.n])
		} else {
			c.send(violations[a.n])
		}
	case actClose:
		c.sendClose(codec.StatusNormalClosure)
	case actFIN:
		c.finSent = true
		c.peer.CloseWrite()
	case actReset:
		c.peer.Reset()
	case actVanish:
		c.vanished = true
		c.peer.Vanish()
	}
}

// copies is how often the server echoes a message.
func (c *simPeer) copies() int {
	if c.path == "/many" {
		return 5
	}
	return 1
}

func (c *simPeer) expect(payload []byte) {
	for range c.copies() {
		c.sent = append(c.sent, payload)
	}
}

const pingPrefix = "long enough to come in pieces: "

// address is what texts to the client say.
func (c *simPeer) address() string { return "to " + strconv.Itoa(c.id) }

func (c *simPeer) ping() string {
	c.pings++
	return c.frame(true, codec.OpcodePing, pingPrefix+strconv.Itoa(c.pings))
}

// frame is one as this peer has to send it.
func (c *simPeer) frame(fin bool, op codec.Opcode, payload string) string {
	if c.dial != nil {
		return serverFrame(fin, op, payload)
	}
	return masked(fin, op, payload)
}

func (c *simPeer) payload(n int) []byte {
	p := make([]byte, n)
	symbols := []uint32{1, 3, 200}[c.random.IntN(3)] // some messages become smaller
	for i := range p {
		p[i] = byte(c.random.Uint32N(symbols))
	}
	return p
}

func (c *simPeer) send(b string) {
	if c.end == nil && !c.closed && !c.closeSent {
		c.peer.Send([]byte(b))
	}
}

// sendClose sends the only Close frame.
func (c *simPeer) sendClose(code codec.StatusCode) {
	if c.closeSent || c.end != nil {
		return
	}
	c.closeSent = true
	payload := string([]byte{byte(code >> 8), byte(code)})
	c.peer.Send([]byte(c.frame(true, codec.OpcodeClose, payload)))
	if c.dial != nil {
		c.dial.closing()
	}
}

// finish closes once every message was echoed and every ping answered.
func (c *simPeer) finish() {
	if !c.scripted || c.closeSent || c.finSent || !c.upgraded || c.echoed != len(c.sent) || c.answered != c.pings && !c.run.tight {
		return
	}
	if c.dial == nil || c.dial.finished() {
		c.sendClose(codec.StatusNormalClosure)
	}
}

// leave hangs up if the connection still stands.
func (c *simPeer) leave() {
	if c.peer != nil && c.end == nil {
		c.peer.Close()
	}
}

// data takes what the server sent to a client.
func (c *simPeer) data(b []byte) {
	b = bytes.Clone(b)
	if !c.upgraded {
		c.head = append(c.head, b...)
		i := bytes.Index(c.head, []byte("\r\n\r\n"))
		if i < 0 || !bytes.HasPrefix(c.head, []byte("HTTP/1.1 101 ")) {
			return
		}
		c.upgraded = true
		c.answer(string(c.head[:i+4]), &c.decoder)
		b = c.head[i+4:]
	}
	c.frames(b)
	c.finish()
}

// frames takes frames, cut anywhere.
func (c *simPeer) frames(b []byte) {
	for len(b) > 0 {
		if c.closed {
			c.fault("%d bytes behind the Close frame", len(b))
			return
		}
		m, n, ok, err := c.assembler.Next(&c.decoder, b, &codec.Limits{MessageBytes: 1 << 20, Fragments: 1 << 20})
		b = b[n:]
		if err != nil {
			c.fault("the engine violates the protocol: %v", err)
			return
		}
		if !ok {
			continue
		}
		if m.Payload, err = c.inflate(m); err != nil {
			c.fault("the engine's message does not inflate: %v", err)
			return
		}
		c.message(m)
	}
}

func (c *simPeer) message(m codec.Message) {
	switch m.Opcode {
	case codec.OpcodePing:
		c.send(c.frame(true, codec.OpcodePong, string(m.Payload)))
	case codec.OpcodePong:
		n, err := strconv.Atoi(strings.TrimPrefix(string(m.Payload), pingPrefix))
		if err != nil && c.path != "/wild" || n < c.answered || n > c.pings {
			c.fault("pong %q after %d of %d pings", m.Payload, c.answered, c.pings)
		}
		c.answered = max(c.answered, n)
	case codec.OpcodeClose:
		c.closed = true
		c.code = int(code(m.Payload))
		c.sendClose(codec.StatusCode(c.code))
		if c.dial != nil {
			c.dial.hangUp()
		}
	case codec.OpcodeText:
		switch {
		case string(m.Payload) == c.address():
		case c.dial != nil:
			c.dial.text(string(m.Payload))
		default:
			c.fault("got a message %q", m.Payload)
		}
	case codec.OpcodeBinary:
		if c.path == "/wild" {
			return
		}
		for c.run.tight && c.echoed < len(c.sent) && !bytes.Equal(m.Payload, c.sent[c.echoed]) {
			c.echoed++ // dropped: there was no room for it
		}
		if c.echoed == len(c.sent) || !bytes.Equal(m.Payload, c.sent[c.echoed]) {
			c.fault("echo %d of %d bytes is not what was sent", c.echoed, len(m.Payload))
			return
		}
		c.echoed++
	}
}

// hush notes that the application closed the connection, unless it was too late for that.
func (c *simPeer) hush(err error) { c.hushed = c.hushed || err == nil }

func (c *simPeer) fault(format string, args ...any) {
	if c.problem == "" {
		c.problem = fmt.Sprintf(format, args...)
	}
}
