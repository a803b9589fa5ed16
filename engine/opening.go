package engine

import (
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// readHead reads on in the request head and answers it once it is complete. A head
// that came in one piece is parsed where it lies; otherwise its pieces are
// gathered. It says how many bytes of b belong to the head: what follows are frames.
func (l *loop) readHead(t poller.Token, s *session, b []byte) (consumed int) {
	r, head := &l.request, b
	if s.rare != 0 && l.rares[s.rare].head != nil {
		x := l.rares[s.rare]
		if !l.server.budget.ask(l.buffers.Lacks(x.head, len(x.head)+len(b))) {
			l.failMemory(t, s)
			return len(b)
		}
		x.head = append(l.buffers.Grow(x.head, len(x.head)+len(b)), b...)
		r, head = x.request, x.head
	} else {
		r.Reset()
	}
	n, err := r.Parse(head, &l.settings.head)
	switch {
	case err == nil && n > 0 && !l.identify(t, s, r):
		consumed = len(b)
	case l.server.web != nil && (err != nil || n > 0 && !r.IsUpgrade()):
		l.handOver(t, s, head)
		consumed = len(b)
	case err != nil:
		l.refuse(t, s, r, err)
		consumed = len(b)
	case n == 0:
		if r == &l.request {
			l.keepHead(t, s, b)
		}
		return len(b)
	default:
		l.answer(t, s, r)
		consumed = len(b) - (len(head) - n)
	}
	if s.rare != 0 {
		x := l.rares[s.rare]
		x.adopted = nil
		l.dropHead(x)
		l.settle(s)
	}
	return consumed
}

// keepHead moves a head that is not complete out of the loop's scratch space: the
// request as far as it is parsed, and a copy of the bytes.
func (l *loop) keepHead(t poller.Token, s *session, b []byte) {
	if !l.server.budget.ask(l.buffers.Lacks(nil, len(b))) {
		l.failMemory(t, s)
		return
	}
	x := l.rareOf(t, s)
	x.head = append(l.buffers.Get(len(b)), b...)
	if last := len(l.freeRequests) - 1; last >= 0 {
		x.request = l.freeRequests[last]
		l.freeRequests = l.freeRequests[:last]
	} else {
		x.request = new(handshake.Request)
	}
	*x.request, l.request = l.request, *x.request
}

// maxFreeRequests bounds the parsed requests that a loop keeps for reuse.
const maxFreeRequests = 64

// dropHead gives back what a head in pieces took.
func (l *loop) dropHead(x *rare) {
	if x.head == nil {
		return
	}
	if x.request != nil {
		x.request.Reset()
		if len(l.freeRequests) < maxFreeRequests {
			l.freeRequests = append(l.freeRequests, x.request)
		}
	}
	l.buffers.Put(x.head)
	x.request, x.head = nil, nil
}

// answer decides about a complete head.
func (l *loop) answer(t poller.Token, s *session, r *handshake.Request) {
	if l.eventsOf(s).Plain != nil && !r.IsUpgrade() {
		l.answerPlain(t, s, r)
		return
	}
	policy := l.policyOf(s)
	acceptance, err := handshake.Accept(r, &policy)
	if err != nil {
		l.refuse(t, s, r, err)
		return
	}
	if !l.isRouted(s) && !l.route(s, r) {
		l.refuseRoute(t, s)
		return
	}
	w := &l.response
	acceptance.Agreed = l.negotiate(acceptance.Extensions)
	l.acceptance = acceptance
	w.Reset(r, &l.acceptance)
	defer w.Reset(nil, nil)
	l.addAdopted(s, w)
	l.callUpgrade(t, s, r, w)
	l.scratch = w.Append(l.scratch[:0])
	if _, refused := w.Refused(); refused {
		l.sendRefusal(t, s)
		return
	}
	l.open(t, s, w.Subprotocol())
}

// callUpgrade asks the server's hook about every handshake, and then that of the route, so that no route is a way around the former.
func (l *loop) callUpgrade(t poller.Token, s *session, r *handshake.Request, w *handshake.Response) {
	first, own := l.events[0].Upgrade, l.eventsOf(s).Upgrade
	if first != nil {
		first(Conn{l, t}, r, w)
	}
	if _, refused := w.Refused(); own != nil && s.events != 0 && !refused {
		own(Conn{l, t}, r, w)
	}
}

// open answers 101.
func (l *loop) open(t poller.Token, s *session, subprotocol string) {
	number, ok := l.server.internProtocol(subprotocol)
	if !ok {
		l.refuse(t, s, nil, errProtocols)
		return
	}
	l.mu.Lock()
	s.sending.subprotocol = number
	l.mu.Unlock()
	if !l.sendRaw(t, l.scratch, sendOpen) {
		return // Events.Upgrade aborted it, and Flush is going to close it
	}
	l.server.counters.handshakes.Add(1)
	if l.agreed {
		l.agree(t, s, &l.params)
	}
	l.begin(t, s, codec.RoleServer)
}

// begin begins the exchange of messages.
func (l *loop) begin(t poller.Token, s *session, role codec.Role) {
	s.phase = phaseOpen
	s.flags |= flagOpened
	if l.server.workers != nil {
		s.flags |= flagQueues
	}
	s.decoder = codec.NewDecoder(role)
	l.mu.Lock()
	if s.sending.flags&sendDeflates != 0 {
		s.decoder.Deflate()
	}
	l.mu.Unlock()
	l.startDeadlines(t, s)
	if l.eventsOf(s).Open != nil {
		l.tell(t, s, job{kind: jobOpen})
	}
	if l.ordered.Load() {
		l.applyOrders()
	}
}

// answerPlain answers a request that is none for a WebSocket.
func (l *loop) answerPlain(t poller.Token, s *session, r *handshake.Request) {
	page := &l.page
	page.Status, page.Body = 200, nil
	page.Header.Reset()
	l.eventsOf(s).Plain(r, page)
	l.scratch = handshake.AppendResponse(l.scratch[:0], r, page.Status, &page.Header, page.Body)
	page.Body = nil
	l.server.counters.plain.Add(1)
	l.discard(t, s)
}

// refuse answers a head that is not an opening handshake.
func (l *loop) refuse(t poller.Token, s *session, r *handshake.Request, err error) {
	l.scratch = handshake.AppendRefusal(l.scratch[:0], r, err)
	l.sendRefusal(t, s)
}

func (l *loop) sendRefusal(t poller.Token, s *session) {
	l.server.counters.refused.Add(1)
	l.discard(t, s)
}

// discard sends the response in loop.scratch as the last bytes of the connection.
func (l *loop) discard(t poller.Token, s *session) {
	l.sendRaw(t, l.scratch, sendEnded)
	s.phase = phaseDiscarding
	l.expect(t.Slot(), l.settings.deadlines.close)
	if cap(l.scratch) > maxScratchBytes {
		l.scratch = nil
	}
}

// maxScratchBytes bounds what a loop keeps for building responses.
const maxScratchBytes = 64 << 10

// timeoutHead answers a request head that took too long.
func (l *loop) timeoutHead(t poller.Token, s *session) {
	l.header.Reset()
	l.respond(t, s, 408, "408 Request Timeout: the request head did not arrive in time.\n")
}

// refuseLate answers a request that the shutdown overtook.
func (l *loop) refuseLate(t poller.Token, s *session) {
	l.refuseBusy(t, s, 503, "503 Service Unavailable: the server is shutting down.\n")
}

// respond refuses a connection with a status, the fields in loop.header and a text.
func (l *loop) respond(t poller.Token, s *session, status int, body string) {
	l.scratch = handshake.AppendResponse(l.scratch[:0], nil, status, &l.header, []byte(body))
	l.sendRefusal(t, s)
}
