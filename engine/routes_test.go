package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// saying is a set of callbacks that tell their name, and the path values of the handshake.
func saying(name string, wildcards ...string) *Events {
	return &Events{
		Upgrade: func(c Conn, r *handshake.Request, _ *handshake.Response) {
			text := name
			for _, w := range wildcards {
				text += " " + w + "=" + string(r.PathValue(w))
			}
			c.SetData(text)
		},
		Message: func(c Conn, _ codec.Opcode, _ []byte) { _, _ = c.SendText(c.Data().(string)) },
	}
}

func TestRoutes(t *testing.T) {
	s := &Server{Events: *saying("default"), Routes: []Route{
		{"/chat/{room}", saying("chat", "room", "other")},
		{"/chat/lobby", saying("lobby", "room")},
		{"/files/{path...}", saying("files", "path")},
		{"/exact/{$}", nil},
		{"host.example/chat/{room}", saying("host", "room")},
	}}
	r := serve(t, s)
	for _, c := range []struct{ target, host, want string }{
		{"/chat/42", "", "chat room=42 other="},
		{"/chat/a%20b?x=/chat/lobby", "", "chat room=a b other="},
		{"/chat/lobby", "", "lobby room="},
		{"/files/a/b%2dc", "", "files path=a/b-c"},
		{"/exact/", "", "default"},
		{"/chat/42", "host.example:8080", "host room=42"},
		{"/", "", ""},
		{"/chat", "", ""},
		{"/chat/../chat/42", "", ""},
		{"/chat//42", "", ""},
		{"/exact/more", "", ""},
	} {
		client := r.dial()
		request := head(c.target)
		if c.host != "" {
			request = strings.Replace(request, "server.example.com", c.host, 1)
		}
		client.write(request)
		status, _, _ := client.response()
		if c.want == "" {
			if status != 404 {
				t.Errorf("%s: status %d, want 404", c.target, status)
			}
			continue
		}
		if status != 101 {
			t.Errorf("%s: status %d", c.target, status)
			continue
		}
		client.send(codec.OpcodeText, "?")
		client.expect(codec.OpcodeText, c.want)
	}
}

func TestRoutesRefused(t *testing.T) {
	for _, routes := range [][]Route{
		{{Pattern: "chat"}},
		{{Pattern: "/{a}/b"}, {Pattern: "/a/{b}"}},
		{{Pattern: "/same"}, {Pattern: "/same"}},
	} {
		if _, err := (&Server{Routes: routes}).Listen("tcp", "127.0.0.1:0"); !errors.As(err, new(*ConfigError)) {
			t.Errorf("%+v: %v", routes, err)
		}
	}
}
