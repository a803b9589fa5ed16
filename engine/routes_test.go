package engine

import (
	"errors"
	"net/http"
	"net/http/httptest"
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
	s := &Server{Events: Events{Message: saying("default").Message, Upgrade: func(c Conn, _ *handshake.Request, _ *handshake.Response) { c.SetData("default") }}, Routes: []Route{
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
		// W81: whatever a proxy or a handler might make of these, no route takes them for another path.
		{"/chat/%2e%2e/admin", "", ""},
		{"/chat/%252e%252e", "", "chat room=%2e%2e other="},
		{"/files/%2e%2e/%2e%2e/etc", "", ""},
		{"/files/a/../b", "", ""},
		{"/files/a%2fb", "", ""},
		{"/./chat/42", "", ""},
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

// W82: the server's hook sees the handshakes of all routes, and of connections from net/http, before those have their say.
func TestHookSeesEveryRouteW82(t *testing.T) {
	s := &Server{
		Events: Events{Upgrade: func(_ Conn, r *handshake.Request, w *handshake.Response) {
			if string(r.Header("Authorization")) != "Bearer good" {
				w.Refuse(401, "who are you?")
			}
		}},
		Routes: []Route{{"/own", saying("own")}, {"/none", &Events{}}, {"/server", nil}},
	}
	s.Routes[0].Events.Open = func(c Conn) {
		if c.Data() != "own" {
			t.Errorf("data is %v", c.Data())
		}
	}
	r := serve(t, s)
	poll(t, "the driver", func() bool { _, err := s.adopter(false); return err == nil })
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = s.Upgrade(w, r, &UpgradeOptions{Events: s.Routes[0].Events})
	}))
	t.Cleanup(front.Close)
	behind := &running{t: t, network: "tcp", addr: front.Listener.Addr().String()}
	for _, path := range []string{"/own", "/none", "/server", "from net/http"} {
		dial := r.dial
		if path[0] != '/' {
			dial, path = behind.dial, "/"
		}
		for fields, want := range map[string]int{"Authorization: Bearer good": 101, "Authorization: Bearer bad": 401} {
			c := dial()
			c.write(head(path, fields))
			if status, _, _ := c.responseHead(); status != want {
				t.Errorf("%s, %s: status %d, want %d", path, fields, status, want)
			}
		}
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

// TestRoutesBehindPages asks for pages first and for WebSockets on the same connections: the routes hold there, too.
func TestRoutesBehindPages(t *testing.T) {
	s := &Server{
		HTTP:   http.NotFoundHandler(),
		Events: Events{Message: saying("default").Message},
		Routes: []Route{{"/chat/{room}", saying("chat", "room")}, {"/admin", &Events{
			Upgrade: func(_ Conn, _ *handshake.Request, w *handshake.Response) { _ = w.Refuse(401, "who are you?\n") },
		}}},
	}
	r := serve(t, s)
	for target, want := range map[string]int{"/chat/42": 101, "/admin": 401, "/nowhere": 404} {
		c := r.dial()
		c.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		c.response()
		c.write(head(target))
		status, _, _ := c.response()
		if status != want {
			t.Errorf("%s: status %d, want %d", target, status, want)
			continue
		}
		if status == 101 {
			c.send(codec.OpcodeText, "?")
			c.expect(codec.OpcodeText, "chat room=42")
		}
	}
}
