package deflate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/engine"
)

// secureMatrix is the part of matrix.json that is about wss.
type secureMatrix struct {
	Features []feature
	Cannot   map[string]map[string]string // peer, feature, why
}

// gates are the addresses at which a peer meets our servers, each a tap, which counts what it cannot read.
type gates struct{ plain, deflate, stranger *tap }

// TestSecure runs every peer over TLS, in each of its roles: without compression, with permessage-deflate, and with a
// certificate for which nobody vouches whom the client knows.
func TestSecure(t *testing.T) {
	m := readMatrix(t)
	var part struct{ Secure secureMatrix }
	readParts(t, &part)
	ours, stranger := newCredentials(t), newCredentials(t)
	config := m.Ours["default"]
	hosts := []string{
		secureServer(t, nil, ours), secureServer(t, &config, ours), secureServer(t, nil, stranger),
	}
	names := append(slices.Collect(maps.Keys(m.Peers)), "gobwas")
	take, doors := &taken{credentials: ours}, map[string]gates{}
	for _, name := range names {
		g := gates{startTap(t, hosts[0]), startTap(t, hosts[1]), startTap(t, hosts[2])}
		take.hosts = append(take.hosts, g.plain.host(), g.deflate.host())
		doors[name] = g
	}
	all := peers(t, take)
	if !onlyRemotes() {
		all["gobwas"] = &library{dialGobwas, serveGobwas}
	}
	t.Run("peers", func(t *testing.T) {
		for name, p := range all {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				(&secureBench{t, m, name, p, ours, stranger, part.Secure.Cannot[name]}).run(part.Secure.Features, doors[name])
			})
		}
	})
}

// secureServer runs a server of ours with this certificate.
func secureServer(t *testing.T, d *engine.Deflate, c *credentials) (host string) {
	t.Helper()
	s := newEngine(engine.Deflate{})
	s.Deflate, s.TLSConfig = d, c.server()
	return run(t, s)
}

func (p *tap) host() string { return p.listener.Addr().String() }

// secureBench is one peer under test.
type secureBench struct {
	*testing.T
	matrix         *matrix
	name           string
	peer           peer
	ours, stranger *credentials
	cannot         map[string]string
}

func (b *secureBench) run(features []feature, at gates) {
	roles := b.matrix.Peers[b.name]
	if b.name == "gobwas" { // which the matrix does not have, because it does not compress
		roles.Client, roles.Server = &role{Axes: []axes{{}}}, &role{Axes: []axes{{}}}
	}
	can := map[string]error{}
	if roles.Client != nil {
		b.asClient(roles.Client, at, can)
	}
	if roles.Server != nil {
		b.asServer(roles.Server, can)
	}
	for _, f := range features {
		err, tried := can[f.ID]
		reason, cannot := b.cannot[f.ID]
		switch {
		case cannot && tried && err == nil:
			b.Errorf("%s: the matrix says that it has no %s, but it did", b.name, f.ID)
		case cannot:
			note(b.T, b.name+"/wss", f.ID, "cannot", reason)
		case !tried || err != nil:
			b.Errorf("%s %s: %v", b.name, f.ID, err)
			note(b.T, b.name+"/wss", f.ID, "failed", "see above")
		default:
			note(b.T, b.name+"/wss", f.ID, "ok", "")
		}
	}
}

// asClient has the peer talk with our servers.
func (b *secureBench) asClient(r *role, at gates, can map[string]error) {
	spec := r.talk(b.matrix.Talks["long"])
	talk := func(p *tap) (told, traffic, error) {
		ctx, cancel := context.WithTimeout(b.Context(), caseTime)
		defer cancel()
		s := r.settings()[0]
		s.TLS = b.ours
		r, err := b.peer.talk(ctx, strings.Replace(p.url(), "ws:", "wss:", 1), s, spec)
		if err == nil && r.Error != "" {
			err = errors.New(r.Error)
		}
		seen, lost := p.next(ctx)
		return r, seen, errors.Join(err, lost)
	}
	_, plain, err := talk(at.plain)
	can["client"] = errors.Join(err, plain.encrypted())
	_, less, err := talk(at.deflate)
	can["client-deflate"] = errors.Join(err, smaller(&less.server, &plain.server))
	if !r.Silent {
		can["client-deflate"] = errors.Join(can["client-deflate"], smaller(&less.client, &plain.client))
	}
	said, seen, err := talk(at.stranger)
	can["client-stranger"] = refused(&seen, said.Messages, err)
}

// asServer has our client talk with the peer's server.
func (b *secureBench) asServer(r *role, can map[string]error) {
	config := b.matrix.Ours["default"]
	trusting := newEngine(engine.Deflate{})
	trusting.Deflate, trusting.ClientTLS = nil, b.ours.client()
	deflating := newEngine(config)
	deflating.ClientTLS = b.ours.client()
	doubting := newEngine(engine.Deflate{})
	doubting.Deflate, doubting.ClientTLS = nil, b.stranger.client()

	s := r.settings()[0]
	s.TLS = b.ours
	ctx, cancel := context.WithTimeout(b.Context(), caseTime)
	defer cancel()
	host, stop, err := b.peer.listen(ctx, s)
	if err != nil {
		b.Fatal(err)
	}
	defer stop()
	p, spec := startTap(b.T, host), r.talk(b.matrix.Talks["long"])
	try := func(s *engine.Server) (told, traffic, error) {
		var r told
		conn, err := begin(b.T, s).dial(ctx, strings.Replace(p.url(), "ws:", "wss:", 1))
		if err == nil {
			if r = talk(conn, spec); r.Error != "" {
				err = errors.New(r.Error)
			}
			conn.drop()
		}
		seen, lost := p.next(ctx)
		return r, seen, errors.Join(err, lost)
	}
	_, plain, err := try(trusting)
	can["server"] = errors.Join(err, plain.encrypted())
	_, less, err := try(deflating)
	can["server-deflate"] = errors.Join(err, smaller(&less.server, &plain.server), smaller(&less.client, &plain.client))
	said, seen, err := try(doubting)
	can["server-stranger"] = refused(&seen, said.Messages, err)
}

// encrypted fails unless both sides spoke TLS.
func (seen *traffic) encrypted() error {
	const handshake = "\x16\x03" // RFC 8446 section 5.1: the type of the first record, and the older half of its version
	for _, f := range []*flow{&seen.client, &seen.server} {
		if !strings.HasPrefix(f.first, handshake) {
			return fmt.Errorf("%d bytes that begin with %.20q", f.bytes, f.first)
		}
	}
	return nil
}

// smaller fails unless compression has made a talk much shorter.
func smaller(less, more *flow) error {
	if less.bytes == 0 || less.bytes > more.bytes*9/10 {
		return fmt.Errorf("%d bytes with compression and %d without", less.bytes, more.bytes)
	}
	return nil
}

// refused fails unless a client ended the connection when it had seen the certificate.
func refused(seen *traffic, messages int, err error) error {
	switch {
	case err == nil:
		return errors.New("it was taken")
	case messages > 0 || seen.server.bytes == 0:
		return fmt.Errorf("%d messages, %d bytes from the server: %w", messages, seen.server.bytes, err)
	}
	return nil
}
