package proxydriver_test

import (
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/proxydriver"
)

// plain is a driver that can do nothing but serve, and its only loop.
type plain struct {
	poller.Driver
	poller.Loop
	index   int
	remote  netip.AddrPort
	closed  []poller.Token
	asked   int // for addresses
	serving func(poller.Handler)
	err     error
}

func (d *plain) Serve(newHandler func(poller.Loop) poller.Handler) error {
	d.serving(newHandler(d))
	return d.err
}
func (d *plain) Index() int                                      { return d.index }
func (d *plain) Now() time.Duration                              { return 0 }
func (d *plain) Close(t poller.Token, _ error)                   { d.closed = append(d.closed, t) }
func (d *plain) RemoteAddr(poller.Token) (netip.AddrPort, error) { d.asked++; return d.remote, nil }

// metered has SetMeter, too.
type metered struct {
	plain
	meter *atomic.Int64
	keep  int
}

func (d *metered) SetMeter(meter *atomic.Int64, keep int) { d.meter, d.keep = meter, keep }

// silent is an upper handler that counts.
type silent struct {
	poller.Handler
	opened, data, eof, closed int
	buffers                   int
}

func (h *silent) Open(poller.Token)          { h.opened++ }
func (h *silent) Closed(poller.Token, error) { h.closed++ }
func (h *silent) EOF(poller.Token)           { h.eof++ }
func (h *silent) Data(_ poller.Token, b []byte) int {
	h.data += len(b)
	return len(b)
}

func (h *silent) Buffer(poller.Token) []byte {
	h.buffers++
	return nil
}

func TestWrapRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		inner poller.Driver
		o     proxydriver.Options
	}{
		"nobody is trusted": {&plain{}, proxydriver.Options{Policy: handshake.ProxyPolicy{Mode: handshake.ProxyRequired}}},
		"negative":          {&plain{}, proxydriver.Options{Timeout: -1}},
		"no driver":         {nil, proxydriver.Options{}},
	} {
		d, err := proxydriver.Wrap(test.inner, test.o)
		if d != nil || err == nil {
			t.Errorf("%s: %v, %v", name, d, err)
		}
	}
	var fault *handshake.ConfigError
	_, err := proxydriver.Wrap(&plain{}, proxydriver.Options{Policy: handshake.ProxyPolicy{Mode: 7}})
	if !errors.As(err, &fault) || !strings.HasPrefix(err.Error(), "proxydriver: ") {
		t.Errorf("got %v", err)
	}
}

// What the inner driver cannot do this one refuses.
func TestInnerDriverThatOnlyServes(t *testing.T) {
	d, err := proxydriver.Wrap(&plain{}, proxydriver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.AddListener(nil); !errors.Is(err, poller.ErrUnsupported) {
		t.Errorf("AddListener: %v", err)
	}
	if err := d.Dial(&poller.Dial{}); !errors.Is(err, poller.ErrUnsupported) {
		t.Errorf("Dial: %v", err)
	}
	d.SetMeter(new(atomic.Int64), 1) // which goes no further

	m := &metered{}
	if d, err = proxydriver.Wrap(m, proxydriver.Options{}); err != nil {
		t.Fatal(err)
	}
	meter := new(atomic.Int64)
	if d.SetMeter(meter, 5); m.meter != meter || m.keep != 5 {
		t.Errorf("the inner driver has %p and %d", m.meter, m.keep)
	}
}

// Headers in one piece, and in two, allocate nothing once buffers were used.
func TestAllocatesNothing(t *testing.T) {
	inner := &plain{remote: netip.MustParseAddrPort("10.0.0.1:1")}
	upper := &silent{}
	head := append(version2(client, destination), "data"...)
	inner.serving = func(h poller.Handler) {
		generation := uint32(0)
		for _, cut := range []int{len(head), 20} {
			connection := func() {
				generation++
				token := poller.MakeToken(3, generation)
				h.Open(token)
				h.Data(token, head[:cut])
				if cut < len(head) {
					h.Data(token, head[cut:])
				}
				h.Closed(token, nil)
			}
			connection()
			if n := testing.AllocsPerRun(100, connection); n != 0 {
				t.Errorf("cut at %d: %v allocations", cut, n)
			}
		}
		if n := int(generation); upper.opened != n || upper.closed != n || upper.data != 4*n {
			t.Errorf("of %d connections: %+v", n, upper)
		}
	}
	d, err := proxydriver.Wrap(inner, proxydriver.Options{Policy: policy(t, handshake.ProxyRequired, "10.0.0.0/8")})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Serve(func(poller.Loop) poller.Handler { return upper }); err != nil {
		t.Error(err)
	}
}

// Between what the layer closes and the inner driver's Closed, nothing reaches the upper handler, whatever the inner driver still tells. A
// loop may have any index.
func TestNothingIsToldOfRefused(t *testing.T) {
	inner := &plain{remote: netip.MustParseAddrPort("10.0.0.1:1"), index: 2, err: errors.New("serving failed")}
	upper := &silent{}
	inner.serving = func(h poller.Handler) {
		for generation, refuse := range []func(poller.Token){
			func(t poller.Token) { h.Data(t, []byte("GET")) },
			func(t poller.Token) { h.EOF(t) },
			func(t poller.Token) { h.Closed(t, nil) },
		} {
			token := poller.MakeToken(0, uint32(generation)+1)
			h.Open(token)
			h.Buffer(token)
			refuse(token)
			if len(inner.closed) == generation+1 { // not in the last case
				if n := h.Data(token, []byte("more")); n != 4 {
					t.Errorf("%d bytes were consumed, want all 4", n)
				}
				h.Buffer(token)
				h.EOF(token)
				h.Closed(token, nil)
			}
		}
	}
	d, err := proxydriver.Wrap(inner, proxydriver.Options{Policy: policy(t, handshake.ProxyRequired, "10.0.0.0/8")})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Serve(func(poller.Loop) poller.Handler { return upper }); !errors.Is(err, inner.err) {
		t.Errorf("Serve: %v", err)
	}
	if *upper != (silent{}) || len(inner.closed) != 2 {
		t.Errorf("told %+v, closed %v", upper, inner.closed)
	}
	if got := counts(d.Stats()); got != "gone=2 missing=1" {
		t.Errorf("counted %q", got)
	}
	if _, ok := d.Kind(0, 1); ok {
		t.Error("a loop that does not exist knows a connection")
	}
}

// The inner driver answers for a token until it gives it up, which is after Closed. Its answer would be the proxy's address then.
func TestRemoteAddrBehindClosed(t *testing.T) {
	inner := &plain{remote: netip.MustParseAddrPort("10.0.0.1:1")}
	d, err := proxydriver.Wrap(inner, proxydriver.Options{Policy: policy(t, handshake.ProxyFromTrusted, "10.0.0.0/8")})
	if err != nil {
		t.Fatal(err)
	}
	var loop poller.Loop
	inner.serving = func(h poller.Handler) {
		token := poller.MakeToken(1, 1)
		h.Open(token)
		h.Data(token, version2(client, destination))
		if got, err := loop.RemoteAddr(token); got != client || err != nil {
			t.Errorf("while it is open: %v, %v", got, err)
		}
		h.Closed(token, nil)
		if got, err := loop.RemoteAddr(token); got.IsValid() || !errors.Is(err, poller.ErrClosed) {
			t.Errorf("behind Closed: %v, %v", got, err)
		}
		// One without a header uses the slot again.
		next := poller.MakeToken(1, 2)
		inner.remote = netip.MustParseAddrPort("192.0.2.1:2")
		h.Open(next)
		if got, err := loop.RemoteAddr(next); got != inner.remote || err != nil {
			t.Errorf("of the next one: %v, %v", got, err)
		}
		h.Closed(next, nil)
	}
	if err := d.Serve(func(l poller.Loop) poller.Handler { loop = l; return &silent{} }); err != nil {
		t.Error(err)
	}
}

// Where no connection has a header, none costs a system call.
func TestOffAsksForNoAddress(t *testing.T) {
	inner, upper := &plain{}, &silent{}
	inner.serving = func(h poller.Handler) { h.Open(1 << 32) }
	d, err := proxydriver.Wrap(inner, proxydriver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Serve(func(poller.Loop) poller.Handler { return upper }); err != nil {
		t.Error(err)
	}
	if inner.asked != 0 || upper.opened != 1 {
		t.Errorf("asked %d times, opened %d", inner.asked, upper.opened)
	}
}
