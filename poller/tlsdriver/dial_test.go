package tlsdriver_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// tag asks for TLS by itself.
type tag struct{ config *tls.Config }

func (t tag) TLSConfig() *tls.Config { return t.config }

// TestDialByTag opens TLS connections and plain ones, as their tags say.
func TestDialByTag(t *testing.T) {
	a := newAuthority(t)
	r := newRig(t, tlsdriver.Options{}, 1, nil)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	to := ln.Addr().(*net.TCPAddr).AddrPort()
	config := a.client()
	for _, secure := range []bool{true, false, true} {
		order := poller.Dial{Addr: to, Tag: "plain"}
		if secure {
			order.Tag = tag{config}
		}
		if err := r.driver.Dial(&order); err != nil {
			t.Fatal(err)
		}
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(deadline))
		if secure {
			c = tls.Server(c, a.server(t))
		}
		echo(t, c, pattern(100_000))
		token := receive(t, r.opened, "Connected")
		state, ok := r.driver.ConnectionState(0, token)
		if ok != secure || secure && (!state.HandshakeComplete || state.PeerCertificates[0].Subject.CommonName != "localhost") {
			t.Errorf("TLS: %v; state %v", secure, ok)
		}
	}
}

// TestDialFails: Closed tells why a TLS connection was not made, and Connected does not come.
func TestDialFails(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	foreign := a.server(t)
	foreign.ClientAuth, foreign.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
	for _, test := range []struct {
		name   string
		config *tls.Config
		far    func(net.Conn)
		check  func(error) bool
		stays  bool // the far end does not close
	}{
		{"Untrusted", other.client(), func(c net.Conn) { _ = tls.Server(c, a.server(t)).Handshake() }, func(err error) bool {
			var unknown x509.UnknownAuthorityError
			return errors.As(err, &unknown)
		}, false},
		{"Refused", a.client(), func(c net.Conn) { _ = tls.Server(c, foreign).Handshake() }, func(err error) bool { return err != nil }, false},
		{"NotTLS", a.client(), func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }, func(err error) bool {
			var header tls.RecordHeaderError
			return errors.As(err, &header)
		}, true},
		{"Hangs", a.client(), func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }, func(err error) bool {
			return errors.Is(err, tlsdriver.ErrHandshakeTimeout)
		}, true},
		{"Closes", a.client(), func(net.Conn) {}, func(err error) bool { return err != nil }, false},
		{"NoName", &tls.Config{}, func(net.Conn) {}, func(err error) bool { return err != nil }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			timeout := deadline
			if test.name == "Hangs" {
				timeout = time.Millisecond
			}
			r := newRig(t, tlsdriver.Options{
				Client: func(any) *tls.Config { return test.config }, HandshakeTimeout: timeout,
			}, 1, nil)
			ln, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			if err := r.driver.Dial(&poller.Dial{Addr: ln.Addr().(*net.TCPAddr).AddrPort()}); err != nil {
				t.Fatal(err)
			}
			c, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			test.far(c)
			if test.stays {
				defer c.Close()
			} else {
				c.Close()
			}
			if err := receive(t, r.closed, "Closed"); !test.check(err) {
				t.Errorf("Closed with %v", err)
			}
			if len(r.opened) != 0 {
				t.Error("Connected came")
			}
		})
	}
}

// bare is a driver without listeners and dials.
type bare struct{ meter *atomic.Int64 }

func (bare) Serve(func(poller.Loop) poller.Handler) error { return errors.New("cannot serve") }
func (bare) StopAccepting()                               {}
func (bare) Stop()                                        {}

func (b *bare) SetMeter(meter *atomic.Int64, _ int) { b.meter = meter }

// TestWrap refuses what cannot be, and passes on what the inner driver can and cannot do.
func TestWrap(t *testing.T) {
	if _, err := tlsdriver.Wrap(nil, tlsdriver.Options{}); err == nil {
		t.Error("nothing was wrapped")
	}
	for _, o := range []tlsdriver.Options{{Handshakes: -1}, {MaxHandshakes: -1}, {HandshakeTimeout: -1}} {
		if _, err := tlsdriver.Wrap(&bare{}, o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	inner := &bare{}
	d, err := tlsdriver.Wrap(inner, tlsdriver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	meter := new(atomic.Int64)
	d.SetMeter(meter, 1)
	if inner.meter != meter {
		t.Error("the inner driver was not told of the meter")
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if err := d.AddListener(ln); !errors.Is(err, poller.ErrUnsupported) {
		t.Errorf("AddListener: %v", err)
	}
	if err := d.Dial(&poller.Dial{}); !errors.Is(err, poller.ErrUnsupported) {
		t.Errorf("Dial: %v", err)
	}
	if err := d.Serve(nil); err == nil {
		t.Error("Serve returned nothing")
	}
	d.StopAccepting()
	d.Stop()
}
