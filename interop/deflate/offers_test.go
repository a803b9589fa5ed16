package deflate

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// What a server makes of an offer.
const (
	agrees   = "agrees"             // to something that was offered
	declines = "declines"           // and goes on without
	refuses  = "refuses to connect" // RFC 6455 section 9.1 allows that for a field that is malformed
	violates = "violates RFC 7692"  // by agreeing to what was not, or not validly, offered
)

// heedless are the servers that agree whatever the parameters of an offer are, and ws, which refuses to connect where none of
// the offers is valid to it.
var heedless = map[string]string{"gorilla": violates, "gws": violates, "ws": refuses}

// offers are raw ones: what of them is valid by RFC 7692 section 7.1, and the servers that do not agree to
// that, or do not decline where nothing is.
var offers = []struct {
	field string
	valid []params
	other map[string]string
}{
	{"permessage-deflate", []params{{}}, nil},
	{`permessage-deflate; client_max_window_bits="10"`, []params{{ClientBits: 10}}, nil},
	{"permessage-deflate; client_max_window_bits=8", []params{{ClientBits: 8}}, nil},
	{
		"permessage-deflate; server_max_window_bits=9",
		[]params{{ServerBits: 9}},
		map[string]string{"gorilla": violates, "gws": violates, "coder": declines, "bun": declines},
	},
	{"permessage-deflate; server_max_window_bits=9, permessage-deflate", []params{{ServerBits: 9}, {}}, nil},
	{"permessage-deflate; unknown, permessage-deflate", []params{{}}, map[string]string{"ws": refuses}},
	{"x-webkit-deflate-frame, permessage-deflate; client_max_window_bits", []params{{ClientBits: bare}}, nil},
	{"permessage-deflate; unknown", nil, heedless},
	{
		"permessage-deflate; server_no_context_takeover; server_no_context_takeover", nil,
		map[string]string{"gorilla": violates, "gws": violates, "ws": refuses, "coder": violates},
	},
	{"permessage-deflate; server_no_context_takeover=1", nil, heedless},
	{"permessage-deflate; server_max_window_bits", nil, heedless},
	{"permessage-deflate; server_max_window_bits=7", nil, heedless},
	{"permessage-deflate; server_max_window_bits=16", nil, heedless},
	{"permessage-deflate; server_max_window_bits=08", nil, map[string]string{"gorilla": violates, "gws": violates, "ws": violates}},
}

// TestOffers makes raw offers to all servers, ours among them, which has no exception.
func TestOffers(t *testing.T) {
	m := readMatrix(t)
	hosts := map[string]string{"wsloop": serve(t, m.Ours["takeover"])}
	for name, p := range peers(t, nil) {
		r := m.Peers[name].Server
		if r == nil {
			continue
		}
		host, stop, err := p.listen(t.Context(), r.settings()[0])
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		hosts[name] = host
	}
	for _, offer := range offers {
		for name, host := range hosts {
			want, ok := offer.other[name]
			switch {
			case ok:
			case offer.valid != nil:
				want = agrees
			default:
				want = declines
			}
			got, err := verdict(host, offer.field, offer.valid)
			if err != nil || got != want {
				t.Errorf("%s: %s %s, want %s: %v", offer.field, name, got, want, err)
			}
		}
	}
}

// verdict makes an offer.
func verdict(host, field string, valid []params) (string, error) {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: %s\r\n\r\n", host, field)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	answer := strings.Join(response.Header.Values("Sec-WebSocket-Extensions"), ", ")
	switch {
	case response.StatusCode != http.StatusSwitchingProtocols:
		return refuses, nil
	case answer == "":
		return declines, nil
	}
	agreed, err := parseElements(answer)
	if err != nil || valid == nil || len(agreed) != 1 || judge(valid, agreed[0]) != nil {
		return violates, nil
	}
	return agrees, nil
}
