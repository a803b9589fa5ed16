package topics

import (
	"fmt"
	"sync"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// Service serves the topics of one server. New makes it.
type Service struct {
	server *engine.Server

	mu       sync.Mutex // guards what follows
	conns    map[engine.Conn]*client
	watched  map[string]*watch // by topic
	changed  map[string]bool   // topics that are watched and may have another count
	all      bool              // all that are watched may have
	counting bool              // a timer runs, or what it calls
}

// client is what a connection watches.
type client struct {
	watches []string
}

// New makes a service for a server, which it has tell of gaps. The server's Events are to be those of Events.
func New(server *engine.Server) *Service {
	s := &Service{server: server, conns: make(map[engine.Conn]*client), watched: make(map[string]*watch), changed: make(map[string]bool)}
	server.BridgeGap = s.gap
	return s
}

// Events are the callbacks of the service.
func (s *Service) Events() engine.Events {
	return engine.Events{
		Plain:        page,
		Open:         s.open,
		Message:      s.message,
		Close:        s.close,
		Subscribed:   s.subscriptionChanged,
		Unsubscribed: s.subscriptionChanged,
	}
}

func (s *Service) open(c engine.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = &client{}
}

func (s *Service) close(c engine.Conn, _ engine.Closure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.conns[c].watches {
		s.dropWatch(c, name)
	}
	delete(s.conns, c)
}

// message answers a request.
func (s *Service) message(c engine.Conn, op codec.Opcode, payload []byte) {
	if op != codec.OpcodeText {
		_ = c.Close(codec.StatusUnsupportedData, "requests are text")
		return
	}
	r, err := parse(payload)
	a := &answer{Type: "done", ID: r.ID}
	if err == nil {
		err = s.do(c, &r, a)
	}
	if err != nil {
		*a = answer{Type: "error", ID: r.ID, Error: err.Error()}
	}
	reply(c, a)
}

// reply sends an answer. What becomes of it if the peer is slow is the policy's business.
func reply(c engine.Conn, a *answer) { _, _ = c.Send(codec.OpcodeText, a.encode()) }

// do does what is asked for and completes the answer.
func (s *Service) do(c engine.Conn, r *request, a *answer) error {
	switch r.Type {
	case "subscribe":
		return c.Subscribe(r.Topic)
	case "unsubscribe":
		if !c.Unsubscribe(r.Topic) {
			return errNotSubscribed
		}
	case "publish":
		return s.publish(c, r, a)
	case "count":
		n := s.server.Subscribers(r.Topic)
		a.Topic, a.Subscribers = r.Topic, &n
	case "watch":
		return s.watch(c, r.Topic)
	case "unwatch":
		return s.unwatch(c, r.Topic)
	default:
		return fmt.Errorf("type %q is none of subscribe, unsubscribe, publish, count, watch, unwatch", r.Type)
	}
	return nil
}

func (s *Service) publish(c engine.Conn, r *request, a *answer) error {
	message := (&answer{Type: "message", Topic: r.Topic, Data: r.Data}).encode()
	publish := s.server.Publish
	if r.Others {
		publish = c.Publish
	}
	p, err := publish(r.Topic, codec.OpcodeText, message)
	a.Sent, a.Queued, a.Dropped = &p.Sent, &p.Queued, &p.Dropped
	return err
}

// gap tells everybody that messages from other servers may have been missed.
func (s *Service) gap() {
	p, err := s.server.Prepare(codec.OpcodeText, (&answer{Type: "gap"}).encode())
	if err != nil {
		panic(err) // it is text
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_, _ = c.SendPrepared(p, engine.Delivery{Key: "gap of all"})
	}
}

// countInterval is the least time between two counts of a topic.
const countInterval = 200 * time.Millisecond
