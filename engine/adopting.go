package engine

import (
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// adoption is what comes with a connection from net/http.
type adoption struct {
	events uint8 // index in Server.events
	secure bool  // the request came over TLS
	routed bool  // by net/http, so that Server.Routes are not asked
	data   any
	header handshake.Header // to be added to the answer

	counted bool   // it counts as a connection already, and for
	source  uint32 // in Server.sources
}

// Dialing implements poller.Handler: a connection of ours is being made, or one from net/http has come.
func (l *loop) Dialing(t poller.Token, tag any) {
	l.nameGoroutine()
	l.events = *l.server.events.Load()
	switch tag := tag.(type) {
	case *dialing:
		l.startDialing(t, tag)
	case *adoption:
		l.openAdopted(t, tag)
	}
}

// openAdopted is Open for a connection from net/http. Its request head comes with Data.
func (l *loop) openAdopted(t poller.Token, a *adoption) {
	l.welcome(t, a)
	s := l.sessions.At(t.Slot())
	if s.phase != phaseOpening {
		return // there was no place for it
	}
	l.mu.Lock()
	s.events = a.events
	l.mu.Unlock()
	l.rareOf(t, s).adopted = a
	if a.data != nil {
		Conn{l, t}.SetData(a.data)
	}
}

// policyOf is what handshakes of a connection are judged by. One from net/http has TLS, or has not, whatever those have that the server accepts.
func (l *loop) policyOf(s *session) handshake.Policy {
	policy := l.settings.policy
	if s.rare != 0 && l.rares[s.rare].adopted != nil {
		policy.Secure = l.rares[s.rare].adopted.secure
	}
	return policy
}

// isRouted says whether net/http has chosen who is to have a handshake.
func (l *loop) isRouted(s *session) bool {
	return s.rare != 0 && l.rares[s.rare].adopted != nil && l.rares[s.rare].adopted.routed
}

// addAdopted adds to the answer what net/http's handlers set.
func (l *loop) addAdopted(s *session, w *handshake.Response) {
	if s.rare != 0 && l.rares[s.rare].adopted != nil {
		w.AddFields(&l.rares[s.rare].adopted.header)
	}
}
