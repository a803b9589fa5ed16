package handshake_test

import (
	"fmt"

	"github.com/wsloop/wsloop/handshake"
)

// A server reads until the head is complete, decides, and writes the answer. What follows
// the head are frames.
func Example() {
	received := []byte("GET /chat HTTP/1.1\r\n" +
		"Host: server.example.com\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Origin: http://server.example.com\r\n" +
		"Sec-WebSocket-Protocol: chat, superchat\r\n" +
		"Sec-WebSocket-Version: 13\r\n" +
		"\r\n" +
		"frames")

	policy := handshake.Policy{Subprotocols: []string{"superchat"}}
	var request handshake.Request
	n, err := request.Parse(received, nil)
	if err != nil {
		fmt.Printf("%s", handshake.AppendRefusal(nil, &request, err))
		return
	}
	acceptance, err := handshake.Accept(&request, &policy)
	if err != nil {
		fmt.Printf("%s", handshake.AppendRefusal(nil, &request, err))
		return
	}
	answer := handshake.AppendSwitching(nil, &acceptance, nil)
	fmt.Printf("path %s, subprotocol %s, %q follows\n", request.Path(), acceptance.Subprotocol, received[n:])
	fmt.Printf("%.32s\n", answer)
	// Output:
	// path /chat, subprotocol superchat, "frames" follows
	// HTTP/1.1 101 Switching Protocols
}

// A client prepares its request once, sends it with a key of its own for each connection,
// and checks the answer. What follows the head are frames.
func ExamplePrepare() {
	prepared, err := handshake.Prepare(handshake.Opening{Target: "/chat", Host: "server.example.com", Subprotocols: []string{"chat"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := handshake.NewKey([16]byte([]byte("the sample nonce"))) // from crypto/rand in earnest
	request := prepared.Append(nil, &key)
	fmt.Printf("%.18s\n", request)

	received := []byte("HTTP/1.1 101 Switching Protocols\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
		"Sec-WebSocket-Protocol: chat\r\n" +
		"\r\n" +
		"frames")
	var answer handshake.Answer
	n, err := answer.Parse(received, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	subprotocol, err := prepared.Check(&answer, &key)
	fmt.Printf("subprotocol %s, error %v, %q follows\n", subprotocol, err, received[n:])
	// Output:
	// GET /chat HTTP/1.1
	// subprotocol chat, error <nil>, "frames" follows
}

// A hook looks at the request before the 101 and may refuse it.
func ExampleResponse() {
	hook := func(r *handshake.Request, w *handshake.Response) {
		if _, ok := r.Cookie("session"); !ok {
			_ = w.Refuse(401, "no session\n")
		}
	}
	var request handshake.Request
	_, _ = request.Parse([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), nil)
	var response handshake.Response
	response.Reset(&request, &handshake.Acceptance{})
	hook(&request, &response)
	status, refused := response.Refused()
	fmt.Println(status, refused)
	// Output: 401 true
}

func ExampleParseOrigins() {
	_, err := handshake.ParseOrigins("https://*.example.com", "https://example.org/app")
	fmt.Println(err)
	// Output:
	// handshake: origin pattern "https://example.org/app": an origin is a scheme, a host and a port, with nothing around them
}
