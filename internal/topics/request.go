package topics

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// request is what a client asks for.
type request struct {
	Type  string          `json:"type"`
	ID    json.RawMessage `json:"id"`
	Topic string          `json:"topic"`
	Data  json.RawMessage `json:"data"`
	// Others leaves the publisher itself out.
	Others bool `json:"others"`
}

// maxIDBytes bounds what is sent back with an answer.
const maxIDBytes = 64

var (
	errID   = errors.New("id is neither a number nor a string of up to 64 bytes")
	errData = errors.New("publish needs data")
	errMore = errors.New("there is something behind the request")
)

// parse reads a request. Its ID counts if there is an error, too.
func parse(message []byte) (r request, err error) {
	d := json.NewDecoder(bytes.NewReader(message))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return request{}, fmt.Errorf("not a request: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return request{}, errMore
	}
	if len(r.ID) > 0 && (len(r.ID) > maxIDBytes || r.ID[0] != '"' && r.ID[0] != '-' && (r.ID[0] < '0' || r.ID[0] > '9')) {
		return request{}, errID
	}
	if r.Type == "publish" && r.Data == nil {
		return r, errData
	}
	return r, nil
}

// answer is what a client is told.
type answer struct {
	Type        string          `json:"type"`
	ID          json.RawMessage `json:"id,omitempty"`
	Topic       string          `json:"topic,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	Error       string          `json:"error,omitempty"`
	Subscribers *int            `json:"subscribers,omitempty"`
	Sent        *int            `json:"sent,omitempty"`
	Queued      *int            `json:"queued,omitempty"`
	Dropped     *int            `json:"dropped,omitempty"`
}

// encode is the JSON of an answer. All that it may hold can be encoded.
func (a *answer) encode() []byte {
	b, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	return b
}
