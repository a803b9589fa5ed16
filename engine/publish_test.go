package engine

import (
	"testing"

	"github.com/wsloop/wsloop/codec"
)

func TestPublish(t *testing.T) {
	s := &Server{Events: Events{Open: func(c Conn) {
		if err := c.Subscribe("rooms.*"); err != nil {
			t.Error(err)
		}
		if err := c.Subscribe("rooms.1"); err != nil {
			t.Error(err)
		}
	}}}
	r := serve(t, s)
	clients := []*client{r.open(), r.open(), r.open()}
	poll(t, "all to subscribe", func() bool { return s.Subscribers("rooms.1") == 3 })
	for range 3 {
		p, err := s.Publish("rooms.1", codec.OpcodeText, []byte("hello"))
		if err != nil || p.Sent != 3 {
			t.Errorf("%+v %v", p, err)
		}
	}
	for _, c := range clients {
		for range 3 {
			c.expect(codec.OpcodeText, "hello")
		}
	}
}
