package main

import (
	"encoding/json"
	"sync"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// A price is what the page gets.
type price struct {
	Symbol string `json:"symbol"`
	Cents  int    `json:"cents"`
	Number int    `json:"number"` // of the change: those between two that come were skipped
}

// A market has prices, and those who look at them. Whoever changes a price holds the lock while it is sent, so that everybody
// gets the changes of a symbol in their order.
type market struct {
	server *engine.Server

	mu      sync.Mutex
	prices  map[string]*price
	viewers map[engine.Conn]struct{}
}

func newMarket() *market {
	m := &market{prices: make(map[string]*price), viewers: make(map[engine.Conn]struct{})}
	for _, symbol := range symbols {
		m.prices[symbol] = &price{Symbol: symbol, Cents: 10_000}
	}
	m.server = newServer(m)
	return m
}

// join begins with all prices as they are.
func (m *market) join(c engine.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, symbol := range symbols {
		p := m.encode(m.prices[symbol])
		_, _ = c.SendPrepared(p, engine.Delivery{Key: symbol}) // Close follows if it is gone
	}
	m.viewers[c] = struct{}{}
}

func (m *market) leave(c engine.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.viewers, c)
}

// change moves a price, and tells everybody. Send does not wait: a slow viewer holds nobody up.
func (m *market) change(symbol string, by int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.prices[symbol]
	p.Cents = max(p.Cents+by, 1)
	p.Number++
	message := m.encode(p)
	for c := range m.viewers {
		_, _ = c.SendPrepared(message, engine.Delivery{Key: symbol})
	}
}

func (m *market) encode(p *price) *engine.Prepared {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers always can be
	}
	message, err := m.server.Prepare(codec.OpcodeText, text)
	if err != nil {
		panic(err) // text is a good opcode
	}
	return message
}
