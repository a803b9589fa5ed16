package routers

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// TestUpgrade has the middleware's field in the answer, once; what the handler learned at the connection; and nothing of
// net/http or the router between the frames, up to the end.
func TestUpgrade(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c := r.dial()
		c.write(head("/rooms/blue%20room?x=1", cookie))
		answer := c.answer(http.StatusSwitchingProtocols)
		if values := answer.Header.Values(fieldName); len(values) != 1 || values[0] != "front" {
			t.Errorf("%s: %q", fieldName, values)
		}
		for _, name := range []string{"Content-Encoding", "Content-Length", "Transfer-Encoding", "Content-Type"} {
			if value := answer.Header.Values(name); value != nil {
				t.Errorf("%s: %q in a 101", name, value)
			}
		}
		if err := r.await(); err != nil {
			t.Error(err)
		}
		c.expect(codec.OpcodeText, "ada in blue room")
		for _, text := range []string{"", "hello", strings.Repeat("x", 60_000)} {
			c.write(frame(codec.OpcodeText, text))
			c.expect(codec.OpcodeText, text)
		}
		c.write(frame(codec.OpcodeClose, "\x03\xe8"))
		c.expect(codec.OpcodeClose, "\x03\xe8")
		if b, err := io.ReadAll(c.in); err != nil || len(b) > 0 {
			t.Errorf("%q, %v behind the Close frame", b, err)
		}
	})
}

// TestNoByteIsLost has frames in one write with the handshake, up to more than net/http's buffer holds.
func TestNoByteIsLost(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		for _, n := range []int{1, 10, 100, 1000} {
			c := r.dial()
			var frames strings.Builder
			for i := range n {
				frames.WriteString(frame(codec.OpcodeText, fmt.Sprintf("frame %d", i)))
			}
			whole := head("/rooms/r", cookie) + frames.String()
			c.write(whole)
			c.answer(http.StatusSwitchingProtocols)
			c.expect(codec.OpcodeText, "ada in r")
			for i := range n {
				c.expect(codec.OpcodeText, fmt.Sprintf("frame %d", i))
			}
			c.write(frame(codec.OpcodeBinary, "last"))
			c.expect(codec.OpcodeBinary, "last")
			if err := r.await(); err != nil {
				t.Error(err)
			}
			c.Close()
		}
	})
}

// TestCutAnywhere has the handshake and a frame in two writes, cut at every byte around the border.
func TestCutAnywhere(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		request := head("/rooms/r", cookie)
		whole := request + frame(codec.OpcodeText, "early")
		for at := len(request) - 3; at < len(whole); at++ {
			c := r.dial()
			c.write(whole[:at])
			c.write(whole[at:])
			c.answer(http.StatusSwitchingProtocols)
			c.expect(codec.OpcodeText, "ada in r")
			c.expect(codec.OpcodeText, "early")
			if err := r.await(); err != nil {
				t.Error(err)
			}
			c.Close()
		}
	})
}

// TestRefusals are the router's and Upgrade's; the connection stays one of HTTP, and may be upgraded afterwards.
func TestRefusals(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c := r.dial()
		c.write(head("/rooms/r"))
		c.answer(http.StatusUnauthorized)
		c.write(head("/nowhere", cookie))
		c.answer(http.StatusNotFound)
		c.write(head("/rooms/r", cookie, "Origin: https://evil.example"))
		answer := c.answer(http.StatusForbidden)
		if answer.Header.Get(fieldName) != "front" {
			t.Errorf("%v", answer.Header)
		}
		if err, ok := errors.AsType[*handshake.Error](r.await()); !ok || err.Status != http.StatusForbidden {
			t.Error(err)
		}
		c.write("GET /rooms/r HTTP/1.1\r\nHost: example.com\r\n" + cookie + "\r\n\r\n")
		c.answer(http.StatusUpgradeRequired)
		if err, ok := errors.AsType[*handshake.Error](r.await()); !ok || err.Status != http.StatusUpgradeRequired {
			t.Error(err)
		}
		if n := r.engine.Stats().Handshakes; n != 0 {
			t.Errorf("%d handshakes", n)
		}
		c.write(head("/rooms/r", cookie) + frame(codec.OpcodeText, "after all"))
		c.answer(http.StatusSwitchingProtocols)
		if err := r.await(); err != nil {
			t.Error(err)
		}
		c.expect(codec.OpcodeText, "ada in r")
		c.expect(codec.OpcodeText, "after all")
	})
}

// TestTimeoutHandler has a writer that cannot be hijacked, which docs/migration.md warns of.
func TestTimeoutHandler(t *testing.T) {
	r := newRig(t, front{"timeout", func(upgrade upgrader) http.Handler {
		return http.TimeoutHandler(ofHTTP(upgrade), patience, "")
	}}, transports[0])
	c := r.dial()
	c.write(head("/rooms/r", cookie))
	c.answer(http.StatusInternalServerError)
	if err := r.await(); !errors.Is(err, http.ErrNotSupported) {
		t.Error(err)
	}
	r.end()
}
