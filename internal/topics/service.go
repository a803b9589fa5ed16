package topics

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/internal/page"
)

// Service serves the topics of one server. New makes it.
type Service struct {
	server *engine.Server

	// mu guards what follows. The locks of the engine are taken below it, and it below none of them.
	mu       sync.Mutex
	conns    map[engine.Conn][]string // the topics that each connection watches
	watches  map[string]watch         // by topic
	changed  map[string]bool          // topics of watches that may have another count
	all      bool                     // every topic may
	counting bool                     // tellCounts is to run, or runs
}

//go:embed page.html
var pageHTML []byte

var (
	errData          = errors.New("publish needs data")
	errNotSubscribed = errors.New("there is no such subscription")
)

// New makes a service for a server, which it has tell of gaps. The server's Events are to be those of Events.
func New(server *engine.Server) *Service {
	s := &Service{server: server, conns: make(map[engine.Conn][]string), watches: make(map[string]watch), changed: make(map[string]bool)}
	server.BridgeGap = s.gap
	return s
}

// Events are the callbacks of the service.
func (s *Service) Events() engine.Events {
	return engine.Events{
		Plain:        page.Handler(pageHTML),
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
	s.conns[c] = nil
}

func (s *Service) close(c engine.Conn, _ engine.Closure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.conns[c] {
		s.dropWatch(c, name)
	}
	delete(s.conns, c)
}

// message answers a request. What becomes of the answer if the peer is slow is the business of the server's policy.
func (s *Service) message(c engine.Conn, op codec.Opcode, payload []byte) {
	if op != codec.OpcodeText {
		_ = c.Close(codec.StatusUnsupportedData, "requests are text")
		return
	}
	r, err := parse(payload)
	if r.kind == "watch" {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	answer := begin("done", &r)
	if err == nil {
		answer, err = s.do(c, &r, answer)
	}
	if err != nil {
		answer = begin("error", &r).text("error", err.Error())
	}
	_, _ = c.Send(codec.OpcodeText, answer.end())
}

// begin begins the answer to a request.
func begin(kind string, r *request) object {
	o := object(nil).text("type", kind)
	if r.id != nil {
		o = o.raw("id", r.id)
	}
	return o
}

// do does what is asked for, and adds to the answer what there is to say.
func (s *Service) do(c engine.Conn, r *request, answer object) (object, error) {
	switch r.kind {
	case "subscribe":
		return answer, c.Subscribe(r.topic)
	case "unsubscribe":
		if !c.Unsubscribe(r.topic) {
			return answer, errNotSubscribed
		}
		return answer, nil
	case "publish":
		return s.publish(c, r, answer)
	case "count":
		if err := engine.CheckTopic(r.topic); err != nil {
			return answer, err
		}
		return answer.text("topic", r.topic).number("subscribers", s.server.Subscribers(r.topic)), nil
	case "watch":
		return answer, s.watch(c, r.topic)
	case "unwatch":
		return answer, s.unwatch(c, r.topic)
	}
	return answer, fmt.Errorf("type %s is none of subscribe, unsubscribe, publish, count, watch, unwatch", quoted(r.kind))
}

func (s *Service) publish(c engine.Conn, r *request, answer object) (object, error) {
	if r.data == nil {
		return answer, errData
	}
	publish := s.server.Publish
	if r.others {
		publish = c.Publish
	}
	p, err := publish(r.topic, codec.OpcodeText, published(r))
	return answer.number("sent", p.Sent).number("queued", p.Queued).number("dropped", p.Dropped), err
}

// published is the message that subscribers get. It is not longer than the request was, so that no limit on messages is in its way
// that was not in that of the request, here or on other servers.
func published(r *request) []byte {
	return object(nil).text("type", "message").text("topic", r.topic).raw("data", r.data).end()
}

// gap tells everybody that messages from other servers may have been missed.
func (s *Service) gap() {
	message := s.prepare(object(nil).text("type", "gap").end())
	s.mu.Lock()
	all := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	for _, c := range all {
		_, _ = c.SendPrepared(message, engine.Delivery{Key: "gap of the bridge"}) // no topic has blanks
	}
}

// prepare encodes a message for many.
func (s *Service) prepare(message []byte) *engine.Prepared {
	p, _ := s.server.Prepare(codec.OpcodeText, message) // only another opcode is refused
	return p
}
