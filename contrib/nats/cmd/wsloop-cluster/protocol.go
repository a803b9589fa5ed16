package main

import (
	"encoding/json"
	"fmt"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// request is what a client sends.
type request struct {
	Type   string          `json:"type"`
	ID     json.RawMessage `json:"id"`
	Topic  string          `json:"topic"`
	Data   json.RawMessage `json:"data"`
	Others bool            `json:"others"`
}

// answer is what it gets for that.
type answer struct {
	Type  string          `json:"type"`
	ID    json.RawMessage `json:"id,omitempty"`
	Error string          `json:"error,omitempty"`
}

// message is what subscribers get.
type message struct {
	Type  string          `json:"type"`
	Topic string          `json:"topic"`
	Data  json.RawMessage `json:"data"`
}

// events speak the heart of the protocol of topics: subscribe, unsubscribe and publish.
func events(server *engine.Server) engine.Events {
	return engine.Events{Message: func(c engine.Conn, _ codec.Opcode, payload []byte) {
		var r request
		err := json.Unmarshal(payload, &r)
		if err == nil {
			err = r.do(server, c)
		}
		a := answer{Type: "done", ID: r.ID}
		if err != nil {
			a.Type, a.Error = "error", err.Error()
		}
		data, _ := json.Marshal(a) // what is in it was JSON
		c.Send(codec.OpcodeText, data)
	}}
}

func (r *request) do(server *engine.Server, c engine.Conn) error {
	switch r.Type {
	case "subscribe":
		return c.Subscribe(r.Topic)
	case "unsubscribe":
		c.Unsubscribe(r.Topic)
		return nil
	case "publish":
		data, err := json.Marshal(message{"message", r.Topic, r.Data})
		if err != nil {
			return err
		}
		publish := server.Publish
		if r.Others {
			publish = c.Publish
		}
		_, err = publish(r.Topic, codec.OpcodeText, data)
		return err
	}
	return fmt.Errorf("type %q is none of subscribe, unsubscribe, publish", r.Type)
}
