package engine

import (
	"fmt"

	"github.com/wsloop/wsloop/engine/internal/route"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// A Route gives the opening handshakes whose request matches a pattern callbacks of their own. Patterns are those of
// http.ServeMux without a method: "/chat/{room}", "/files/{path...}", "/exact/{$}", "/below/", "example.com/chat". The most specific one
// wins, and two that neither of them is are a *ConfigError.
//
// Paths are compared as they were sent, segment by segment and decoded; those with empty or dot segments or an encoded slash
// match nothing, and nothing is redirected. Events.Upgrade finds the values of wildcards with handshake.Request.PathValue.
type Route struct {
	Pattern string
	// Events are the callbacks instead of the server's; nil means those. The server's Upgrade comes before theirs: it sees every
	// opening handshake, and what it refuses is refused.
	Events *Events
}

// routes finds routes.
type routes struct {
	table  route.Table
	events []uint8 // index in Server.events, by that in the table
}

// newRoutes checks the patterns.
func newRoutes(all []Route) (*routes, error) {
	r := &routes{events: make([]uint8, len(all))}
	for i := range all {
		if _, err := r.table.Add(all[i].Pattern); err != nil {
			return nil, &ConfigError{"Routes", err.Error()}
		}
	}
	if len(all) >= maxEvents {
		return nil, &ConfigError{"Routes", fmt.Sprintf("there may be %d", maxEvents-1)}
	}
	return r, nil
}

// routeEvents gives each route its number. It is called before the loops run.
func (s *Server) routeEvents(r *routes) {
	for i := range s.Routes {
		r.events[i], _ = s.internEvents(s.Routes[i].Events) // there is room
	}
}

// route gives a connection the callbacks of its route. Without ok there is none.
func (l *loop) route(s *session, r *handshake.Request) (ok bool) {
	routes := l.settings.routes
	if routes == nil {
		return true
	}
	index, values, ok := routes.table.Match(r.Host(), r.Target())
	if !ok {
		return false
	}
	for i := range values.Len() {
		r.AddPathValue(values.Name(i), values.At(i))
	}
	l.mu.Lock()
	s.events = routes.events[index]
	l.mu.Unlock()
	return true
}

// refuseRoute answers a handshake for which there is no route.
func (l *loop) refuseRoute(t poller.Token, s *session) {
	l.header.Reset()
	l.respond(t, s, 404, "404 Not Found: no WebSocket is served at this path.\n")
}
