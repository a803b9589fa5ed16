//go:build linux || darwin || freebsd

package wstest

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller/sim"
)

// A DialOption says more about an opening handshake.
type DialOption func(*request)

// Subprotocol offers subprotocols, in order of preference.
func Subprotocol(names ...string) DialOption {
	return Header("Sec-WebSocket-Protocol", strings.Join(names, ", "))
}

// Header adds a header field. One that the client would send itself it replaces: Host, which is example.com
// otherwise, Upgrade, Connection, Sec-WebSocket-Key and Sec-WebSocket-Version.
func Header(name, value string) DialOption {
	return func(r *request) { r.fields = append(r.fields, field{name, value}) }
}

// From sets the address that the client dials from. Otherwise each has one of its own, in 10.0.0.0/8.
func From(address netip.AddrPort) DialOption {
	return func(r *request) { r.from = address }
}

// A request is the client's opening handshake.
type request struct {
	target string
	key    string
	fields []field
	from   netip.AddrPort
}

type field struct{ name, value string }

// A Refusal is the answer to an opening handshake that the server did not accept.
type Refusal struct {
	Status int
	Header http.Header
	Body   string
}

// Dial opens a connection to a target such as "/chat?room=1". The test fails unless the server accepts.
func (w *World) Dial(target string, options ...DialOption) *Client {
	w.t.Helper()
	c := w.dial(target, options)
	switch {
	case c.response == nil:
		c.fatalf("no answer to the opening handshake: %s", c.standing())
	case c.response.StatusCode != http.StatusSwitchingProtocols:
		refusal := c.refusal()
		c.fatalf("refused with %d: %s", refusal.Status, refusal.Body)
	}
	return c
}

// DialRefused is Dial for a handshake that the server must refuse.
func (w *World) DialRefused(target string, options ...DialOption) Refusal {
	w.t.Helper()
	c := w.dial(target, options)
	switch {
	case c.response == nil:
		c.fatalf("no answer to the opening handshake: %s", c.standing())
	case c.response.StatusCode == http.StatusSwitchingProtocols:
		c.fatalf("not refused")
	}
	return c.refusal()
}

func (w *World) dial(target string, options []DialOption) *Client {
	w.t.Helper()
	r := request{target: target, key: w.key()}
	for _, option := range options {
		option(&r)
	}
	c := &Client{world: w, request: r, autoReply: true, decoder: codec.NewDecoder(codec.RoleClient)}
	w.clients = append(w.clients, c)
	if r.from.IsValid() {
		c.peer = w.driver.DialFrom(r.from)
	} else {
		c.peer = w.driver.Dial()
	}
	if !w.faults {
		c.peer.Cut(sim.CutNowhere)
	}
	c.peer.OnData(c.data)
	c.peer.OnEnd(c.end)
	c.peer.Send(r.head())
	w.Settle()
	return c
}

// key draws a Sec-WebSocket-Key: 16 random bytes in base64 (RFC 6455 section 4.1).
func (w *World) key() string {
	b := binary.LittleEndian.AppendUint64(nil, w.Random().Uint64())
	b = binary.LittleEndian.AppendUint64(b, w.Random().Uint64())
	return base64.StdEncoding.EncodeToString(b)
}

func (r *request) head() []byte {
	fields := slices.Clone(r.fields)
	for _, own := range []field{
		{"Host", "example.com"},
		{"Upgrade", "websocket"},
		{"Connection", "Upgrade"},
		{"Sec-WebSocket-Key", r.key},
		{"Sec-WebSocket-Version", "13"},
	} {
		if !slices.ContainsFunc(r.fields, func(f field) bool { return strings.EqualFold(f.name, own.name) }) {
			fields = append(fields, own)
		}
	}
	head := fmt.Appendf(nil, "GET %s HTTP/1.1\r\n", r.target)
	for _, f := range fields {
		head = fmt.Appendf(head, "%s: %s\r\n", f.name, f.value)
	}
	return append(head, "\r\n"...)
}

// values are those of a field that the client sent, split at commas.
func (r *request) values(name string) (values []string) {
	for _, f := range r.fields {
		if strings.EqualFold(f.name, name) {
			for v := range strings.SplitSeq(f.value, ",") {
				values = append(values, strings.TrimSpace(v))
			}
		}
	}
	return values
}

const emptyLine = "\r\n\r\n"

// readResponse takes bytes of the response until its head is complete. With 101 it returns what is
// behind the head; otherwise that is kept as the body.
func (c *Client) readResponse(b []byte) (frames []byte) {
	c.received = append(c.received, b...)
	head, rest, complete := bytes.Cut(c.received, []byte(emptyLine))
	if c.response != nil || !complete {
		return nil
	}
	head = append(bytes.Clone(head), emptyLine...)
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		c.violation = err
		return nil
	}
	c.response = response
	if response.StatusCode != http.StatusSwitchingProtocols {
		return nil
	}
	c.violation = c.request.check(response.Header)
	c.received = nil
	return rest
}

// check judges a response as RFC 6455 section 4.1 has clients do.
func (r *request) check(h http.Header) error {
	key := r.key
	if own := r.values("Sec-WebSocket-Key"); len(own) > 0 {
		key = own[0]
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	subprotocol := h.Get("Sec-WebSocket-Protocol")
	switch {
	case !strings.EqualFold(h.Get("Upgrade"), "websocket"), !strings.EqualFold(h.Get("Connection"), "Upgrade"):
		return errors.New("the response does not upgrade")
	case h.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]):
		return errors.New("wrong Sec-WebSocket-Accept")
	case h.Get("Sec-WebSocket-Extensions") != "":
		return errors.New("an extension that the client does not speak")
	case subprotocol != "" && !slices.Contains(r.values("Sec-WebSocket-Protocol"), subprotocol):
		return fmt.Errorf("subprotocol %q was not offered", subprotocol)
	}
	return nil
}

// refusal reads the whole response, now that nothing more comes.
func (c *Client) refusal() Refusal {
	c.world.t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(c.received)), nil)
	if err != nil {
		c.fatalf("response: %v", err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		c.fatalf("body of the response: %v", err)
	}
	return Refusal{response.StatusCode, response.Header, string(body)}
}
