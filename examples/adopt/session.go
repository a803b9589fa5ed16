package main

import (
	"crypto/rand"
	"net/http"
	"sync"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

const cookieName = "session"

// A session is that of a user who has logged in. It is the Data of its WebSockets.
type session struct {
	user    string
	sockets map[engine.Conn]struct{}
	ended   bool
}

// A site has its sessions, by cookie. A real one would check a password.
type site struct {
	sockets *engine.Server

	mu       sync.Mutex // also of the sessions
	sessions map[string]*session
}

func (s *site) login(w http.ResponseWriter, r *http.Request) {
	user := r.PostFormValue("user")
	if user == "" {
		http.Error(w, "who are you?", http.StatusBadRequest)
		return
	}
	token := rand.Text()
	s.mu.Lock()
	s.sessions[token] = &session{user: user, sockets: make(map[engine.Conn]struct{})}
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	w.WriteHeader(http.StatusNoContent)
}

// sessionOf is who makes a request, or nil.
func (s *site) sessionOf(r *http.Request) *session {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[cookie.Value]
}

// logout ends a session, and its WebSockets with it.
func (s *site) logout(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(cookieName); err == nil {
		s.mu.Lock()
		if session := s.sessions[cookie.Value]; session != nil {
			session.ended = true
			for c := range session.sockets {
				_ = c.Close(codec.StatusPolicyViolation, "logged out")
			}
		}
		delete(s.sessions, cookie.Value)
		s.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1})
	w.WriteHeader(http.StatusNoContent)
}

// open keeps the WebSocket with its session, which may have ended since the handler looked.
func (s *site) open(c engine.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session := c.Data().(*session)
	if session.ended {
		_ = c.Close(codec.StatusPolicyViolation, "logged out")
		return
	}
	session.sockets[c] = struct{}{}
	_, _ = c.SendText("welcome, " + session.user)
}

func (s *site) close(c engine.Conn, _ engine.Closure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(c.Data().(*session).sockets, c)
}

// tell sends a message to all WebSockets of a user, in whichever session.
func (s *site) tell(user string, op codec.Opcode, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range s.sessions {
		if session.user != user {
			continue
		}
		for c := range session.sockets {
			_, _ = c.Send(op, payload) // who cannot be told any more is about to be closed
		}
	}
}
