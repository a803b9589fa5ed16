package deflate

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
)

// socket is the client's end of a connection, of the engine or of a Go library.
type socket interface {
	send(op int, payload []byte) error
	receive() (op int, payload []byte, err error)
	// plain sends a message uncompressed.
	plain(op int, payload []byte) error
	// pieces sends a message in several frames.
	pieces(op int, pieces [][]byte) error
	ping(payload []byte) error
	// close performs the closing handshake with 1000 and fails if another code comes back.
	close() error
	// extensions is what the client says was agreed.
	extensions() string
	drop()
}

// errCannot is what a socket says to something that its library cannot do. The message is sent as others are.
var errCannot = errors.New("cannot")

// told is what a talk says of itself.
type told struct {
	Extensions string `json:"extensions"`
	Messages   int    `json:"messages"` // sent, and echoed
	Similar    int    `json:"similar"`  // which of them is the first of the similar ones
	Error      string `json:"error"`
}

const (
	opText   = 1
	opBinary = 2
)

// talk says all that a spec wants and expects everything back. ../node/talk.mjs and ../python/talk.py do the same.
func talk(s socket, spec talkSpec) (r told) {
	t := &talker{socket: s, random: rand.New(rand.NewPCG(1, 2)), told: told{Extensions: s.extensions()}}
	t.sizes(spec)
	t.told.Similar = t.told.Messages
	t.similar(spec.Similar)
	t.others(spec.Rounds)
	t.similar(10)
	t.do("close", t.socket.close)
	if t.err != nil {
		t.told.Error = t.err.Error()
	}
	return t.told
}

type talker struct {
	socket socket
	random *rand.Rand
	told   told
	err    error // the first
}

func (t *talker) do(what string, step func() error) {
	if t.err != nil {
		return
	}
	if err := step(); err != nil {
		t.err = fmt.Errorf("%s after %d messages: %w", what, t.told.Messages, err)
	}
}

// echo sends a message by one of the ways and expects it back.
func (t *talker) echo(op int, payload []byte, send func(op int, payload []byte) error) {
	t.do(fmt.Sprintf("%d bytes", len(payload)), func() error {
		err := send(op, payload)
		if errors.Is(err, errCannot) {
			err = t.socket.send(op, payload)
		}
		if err != nil {
			return err
		}
		return t.expect(op, payload)
	})
}

func (t *talker) expect(op int, payload []byte) error {
	gotOp, got, err := t.socket.receive()
	if err != nil {
		return err
	}
	if gotOp != op || !bytes.Equal(got, payload) {
		return fmt.Errorf("opcode %d and %d bytes came back for opcode %d and %d bytes, or they differ", gotOp, len(got), op, len(payload))
	}
	t.told.Messages++
	return nil
}

func (t *talker) sizes(spec talkSpec) {
	for _, n := range spec.Sizes {
		t.do(fmt.Sprintf("%d bytes", n), func() error {
			text, records, noise := t.mixed(n), t.records(n), t.noise(n)
			return errors.Join(
				t.socket.send(opText, text), t.socket.ping([]byte(spec.Ping)), t.socket.send(opBinary, records), t.socket.send(opBinary, noise),
				t.expect(opText, text), t.expect(opBinary, records), t.expect(opBinary, noise))
		})
	}
}

// similar sends messages without waiting. Nothing in one of them repeats; they resemble each other.
func (t *talker) similar(n int) {
	t.do("similar messages", func() error {
		token := t.token()
		for i := range n {
			if err := t.socket.send(opText, fmt.Appendf(nil, "%s%d", token, i)); err != nil {
				return err
			}
		}
		for i := range n {
			if err := t.expect(opText, fmt.Appendf(nil, "%s%d", token, i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// others are messages that are uncompressed, or in pieces, on their way there and back.
func (t *talker) others(rounds int) {
	for range rounds {
		t.echo(opText, append([]byte("plain:"), t.mixed(400)...), t.socket.plain)
		t.echo(opText, append([]byte("pieces:"), t.mixed(900)...), t.socket.send)
		t.echo(opText, t.mixed(3000), func(op int, payload []byte) error {
			return t.socket.pieces(op, [][]byte{payload[:1], payload[1:1500], {}, payload[1500:]})
		})
		t.similar(3)
	}
}

// token is text in which nothing repeats.
func (t *talker) token() []byte {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	token := make([]byte, 140)
	for i := range token {
		token[i] = alphabet[t.random.IntN(len(alphabet))]
	}
	return token
}

// mixed is text of n bytes in several scripts.
func (t *talker) mixed(n int) []byte {
	words := [...]string{"wave", "Ωμέγα", "✓", "水の", "𝄞", "größer", "слово", " ", "the"}
	var b []byte
	for len(b) < n {
		if word := words[t.random.IntN(len(words))]; len(b)+len(word) <= n {
			b = append(b, word...)
		} else {
			b = append(b, '.')
		}
	}
	return b
}

// records is n bytes that compress as data does.
func (t *talker) records(n int) []byte {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":%d,"price":%d.25,"side":"buy"}`+"\x00\xff", b.Len(), t.random.IntN(1000))
	}
	return []byte(b.String()[:n])
}

// noise is n bytes that do not compress.
func (t *talker) noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(t.random.Uint32())
	}
	return b
}
