package deflate

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/wsloop/wsloop/engine"
)

// matrix is the part of matrix.json that is about permessage-deflate.
type matrix struct {
	Features []feature
	Ours     map[string]engine.Deflate // configurations of the engine, as a server and as a client
	Talks    map[string]talkSpec
	Peers    map[string]struct{ Client, Server *role }
	Cannot   map[string]map[string]string // peer, feature, why
}

type feature struct{ ID, What string }

// talkSpec is what a client says.
type talkSpec struct {
	Sizes   []int `json:"sizes"`   // bytes of messages of every kind
	Similar int   `json:"similar"` // short messages in a row that resemble each other
	Rounds  int   `json:"rounds"`  // of messages that are uncompressed or in pieces
	// Ping is the payload of pings.
	Ping string `json:"ping"`
}

// role is what a peer can be told when it is the client, or the server.
type role struct {
	Axes []axes
	// Silent peers inflate, but compress nothing.
	Silent bool
	// EmptyPings says why pings must not have a payload.
	EmptyPings string
	// Forgetful ones refer to no earlier message although they may.
	Forgetful bool
	// NameOnly peers do not tell which parameters were agreed.
	NameOnly bool
	// Faults are what it does against RFC 7692, or refuses though that allows it: the words of judge or of the
	// peer, and what it means. Each has to happen.
	Faults map[string]string
}

// axes are values of parameters that can be combined in every way.
type axes struct {
	ServerNoTakeover []bool            `json:"server_no_context_takeover"`
	ClientNoTakeover []bool            `json:"client_no_context_takeover"`
	ServerBits       []int             `json:"server_max_window_bits"`
	ClientBits       []int             `json:"client_max_window_bits"`
	Native           []json.RawMessage `json:"native"` // options in the peer's own terms
}

// setting is one combination.
type setting struct {
	params
	Native json.RawMessage `json:"native,omitempty"`
	TLS    *credentials    `json:"tls,omitempty"` // for wss; see TestSecure
}

func (s setting) String() string {
	if s.Native != nil {
		return string(s.Native)
	}
	return s.params.String()
}

// talk is what is said with a peer in this role.
func (r *role) talk(spec talkSpec) talkSpec {
	spec.Ping = "between"
	if r.EmptyPings != "" {
		spec.Ping = ""
	}
	return spec
}

// settings are all combinations of a role.
func (r *role) settings() (all []setting) {
	for _, a := range r.Axes {
		for _, snt := range orZero(a.ServerNoTakeover) {
			for _, cnt := range orZero(a.ClientNoTakeover) {
				for _, sb := range orZero(a.ServerBits) {
					for _, cb := range orZero(a.ClientBits) {
						for _, native := range orZero(a.Native) {
							all = append(all, setting{params: params{snt, cnt, sb, cb}, Native: native})
						}
					}
				}
			}
		}
	}
	return all
}

// orZero is a list that has at least the zero value.
func orZero[T any](list []T) []T {
	if len(list) == 0 {
		return make([]T, 1)
	}
	return list
}

func readMatrix(t *testing.T) *matrix {
	t.Helper()
	var all struct{ Deflate matrix }
	readParts(t, &all)
	return &all.Deflate
}

// readParts reads the parts of matrix.json that the struct at into has.
func readParts(t *testing.T, into any) {
	t.Helper()
	text, err := os.ReadFile("../matrix.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

// configurations are the names of ours, in order.
func (m *matrix) configurations() []string { return slices.Sorted(maps.Keys(m.Ours)) }

// note keeps the outcome of a case for the summary, when a script wants it.
func note(t *testing.T, peer, feature, outcome, remark string) {
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
	if _, err := fmt.Fprintf(f, "%s\t%s\t%s\t%s\n", peer, feature, outcome, remark); err != nil {
		t.Fatal(err)
	}
}
