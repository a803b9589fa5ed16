package engine

import (
	"net/http"
	"net/netip"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// identify finds out for whom a request is, now that its head is there, and counts the connection for that client where admit has put
// that off. Without stays the connection was refused.
func (l *loop) identify(t poller.Token, s *session, r *handshake.Request) (stays bool) {
	f := l.settings.forwarding
	if f == nil {
		return true
	}
	peer, err := l.driver.RemoteAddr(t)
	if err != nil {
		return true // the peer is gone already, and the loop is about to hear of it
	}
	switch client, source := f.Client(r, peer); source {
	case handshake.ClientForwarded:
		l.note(t, client, RemoteForwarded)
		return l.server.sources == nil || l.countFor(t, s, client.Addr())
	case handshake.ClientHidden:
		l.note(t, client, RemoteHidden)
	}
	return true
}

// isRelay says whether a connection comes from a proxy, so that its address is nobody's to be limited by: the head of the
// request tells the client, or nothing does.
func (l *loop) isRelay(t poller.Token, addr netip.Addr) bool {
	if source, told := l.relayed(t); told && source != RemoteProxy {
		return true
	}
	f := l.settings.forwarding
	return f != nil && f.Trusted.Contains(addr)
}

// identify sets the RemoteAddr of a request to the client that trusted proxies name. A proxy sends the requests of many clients
// over one connection, so each is looked at. Where a proxy hides its client, it is the last proxy known, as in Conn.Remote.
func (v *web) identify(r *http.Request) {
	f := v.owner.settings.forwarding
	if f == nil {
		return
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !f.Trusted.Contains(peer.Addr()) {
		return // as Client would find, but for less
	}
	name := f.Field
	if name == "" {
		name = handshake.DefaultForwardedField
	}
	values := r.Header.Values(name)
	head := []byte("GET / HTTP/1.1\r\nHost: localhost\r\n")
	for _, value := range values {
		head = append(head, name+": "+value+"\r\n"...)
	}
	head = append(head, "\r\n"...)
	var one handshake.Request
	// What net/http takes is longer than the defaults.
	if _, err := one.Parse(head, &handshake.Limits{HeadBytes: len(head), LineBytes: len(head), HeaderCount: len(values) + 1}); err != nil {
		return
	}
	client, _ := f.Client(&one, peer)
	r.RemoteAddr = client.String()
}
