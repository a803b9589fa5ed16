package interop

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
)

// matrix is matrix.json.
type matrix struct {
	Servers  map[string]serverConfig
	Features []feature
	Sizes    []int
	NonASCII struct { // a text and how often it is repeated
		Text  string
		Times []int
	}
	Fragments     []int
	Pings         []int
	Pipelined     int
	Closes        []closing
	Limit         int
	InvalidUTF8   []string
	Offered       []string
	Agreed        string
	ForeignOrigin string
	Cannot        map[string]map[string]string
	Deflate       json.RawMessage // for the package deflate
	Secure        json.RawMessage // for the package deflate
}

// feature is what clients are to show; only some of them, if it says so.
type feature struct {
	ID, What string
	Only     []string
}

// serverConfig is a server's configuration, under the names of the flags of wsloop serve.
type serverConfig struct {
	MaxMessage   int64    `json:"max-message"`
	MaxBuffered  int      `json:"max-buffered"`
	Subprotocols []string `json:"subprotocol"`
	Mode, Retain string   // for clients of topics, of which there are none in Go
}

// closing is what a Close frame says.
type closing struct {
	Code   int
	Reason string
}

func readMatrix(t *testing.T) *matrix {
	t.Helper()
	text, err := os.ReadFile("matrix.json")
	if err != nil {
		t.Fatal(err)
	}
	m := &matrix{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(m); err != nil {
		t.Fatal(err)
	}
	return m
}

// featuresOf are the features that a client is to show.
func (m *matrix) featuresOf(client string) []feature {
	return slices.DeleteFunc(slices.Clone(m.Features), func(f feature) bool {
		return f.Only != nil && !slices.Contains(f.Only, client)
	})
}

// invalidUTF8 are the payloads that are no text.
func (m *matrix) invalidUTF8(t *testing.T) [][]byte {
	t.Helper()
	var payloads [][]byte
	for _, digits := range m.InvalidUTF8 {
		payload, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, payload)
	}
	return payloads
}

// pieces cuts a payload into the matrix's fragments and a rest, wherever that falls in a
// character.
func (m *matrix) pieces(payload []byte) [][]byte {
	var cut [][]byte
	for _, n := range m.Fragments {
		cut = append(cut, payload[:n])
		payload = payload[n:]
	}
	return append(cut, payload)
}

// asciiText is text of n bytes. 8191 is prime, so no power of two is a period.
func asciiText(n int) []byte {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 "
	text := make([]byte, n)
	for i := range text {
		k := i % 8191
		text[i] = alphabet[(k*k+k)%len(alphabet)]
	}
	return text
}

// binaryBytes is n bytes of every value.
func binaryBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*31 ^ i>>8 ^ i>>16)
	}
	return b
}

// note keeps the outcome of a case for the summary, when run.sh wants it.
func note(t *testing.T, client, feature, outcome, remark string) {
	t.Helper()
	name := os.Getenv("INTEROP_RESULTS")
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%s\t%s\t%s\t%s\n", client, feature, outcome, remark); err != nil {
		t.Fatal(err)
	}
}
