package deflate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPeers runs every peer in each of its roles.
func TestPeers(t *testing.T) {
	m := readMatrix(t)
	all, shared := peers(t, nil), t.TempDir()
	t.Run("peers", func(t *testing.T) {
		for name, p := range all {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := &bench{T: t, matrix: m, name: name, peer: p, shared: shared, saw: hears{}, faults: map[string]bool{}}
				b.run()
			})
		}
	})
}

// bench is one peer under test.
type bench struct {
	*testing.T
	matrix *matrix
	name   string
	peer   peer
	shared string // a directory of all peers
	role   *role  // the current one
	saw    hears
	faults map[string]bool
}

func (b *bench) run() {
	roles := b.matrix.Peers[b.name]
	counts := map[string]int{}
	if roles.Client != nil {
		counts["as-client"] = b.asClient(roles.Client)
	}
	if roles.Server != nil {
		counts["as-server"] = b.asServer(roles.Server)
		b.load(roles.Server)
	}
	for _, f := range b.matrix.Features {
		reason, cannot := b.matrix.Cannot[b.name][f.ID]
		seen, remark := b.saw[f.ID] || counts[f.ID] > 0, ""
		if counts[f.ID] > 0 {
			remark = strconv.Itoa(counts[f.ID])
		}
		switch {
		case b.Failed():
			note(b.T, b.name, f.ID, "failed", "see above")
		case seen && cannot:
			b.Errorf("%s: the matrix says that it has no %s, but it did", b.name, f.ID)
		case cannot:
			note(b.T, b.name, f.ID, "cannot", reason)
		case !seen:
			b.Errorf("%s: %s was not seen", b.name, f.ID)
		default:
			note(b.T, b.name, f.ID, "ok", remark)
		}
	}
	b.Logf("%s: %v combinations", b.name, counts)
}

// asClient has the peer talk with each configuration of our server, in every way that it has.
func (b *bench) asClient(r *role) (count int) {
	b.role = r
	for i, name := range b.matrix.configurations() {
		b.Run("client/"+name, func(t *testing.T) {
			config := b.matrix.Ours[name]
			p := startTap(t, serve(t, config))
			for j, s := range r.settings() {
				count++
				spec := r.talk(b.matrix.Talks[b.matrix.depth(i, j)])
				ctx, cancel := context.WithTimeout(t.Context(), caseTime)
				if err := b.clientTalk(ctx, p, s, spec, func(offer params) params { return answerOf(&config, offer) }); err != nil {
					t.Errorf("%s with our %s, %s: %v", b.name, name, s, err)
				}
				cancel()
			}
		})
	}
	b.expectFaults(r)
	return count
}

// depth names the talk of a combination. With the peer's first choice each configuration of ours has the full one, and each
// choice of the peer's has the long one with one of ours, because there are thousands of combinations.
func (m *matrix) depth(ours, theirs int) string {
	switch {
	case theirs == 0:
		return "full"
	case theirs%len(m.Ours) == ours:
		return "long"
	}
	return "short"
}

// clientTalk is one connection that the peer opens.
func (b *bench) clientTalk(ctx context.Context, p *tap, s setting, spec talkSpec, answerTo func(params) params) error {
	r, err := b.peer.talk(ctx, p.url(), s, spec)
	if err != nil {
		return err
	}
	seen, err := p.next(ctx)
	if err != nil {
		return fmt.Errorf("%w; the peer: %s", err, r.Error)
	}
	offers, answer, err := negotiated(&seen)
	switch {
	case err != nil:
		return errors.Join(err, errors.New(r.Error))
	case s.Native == nil && offers[0] != s.params:
		return fmt.Errorf("it offers %s", offers[0])
	case answer != answerTo(offers[0]):
		return fmt.Errorf("answer %s to %s", answer, offers[0])
	case r.Error != "":
		return fmt.Errorf("%s, agreed on %s", r.Error, answer)
	}
	return b.judge(&seen, r, offers[0], answer, spec, &seen.client)
}

// asServer has our client talk with the peer's server, in every way that both have.
func (b *bench) asServer(r *role) (count int) {
	b.role = r
	dialers := map[string]*dialer{}
	for _, name := range b.matrix.configurations() {
		dialers[name] = newDialer(b.T, b.matrix.Ours[name])
	}
	for j, s := range r.settings() {
		b.Run("server/"+s.String(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), caseTime)
			defer cancel()
			host, stop, err := b.peer.listen(ctx, s)
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			p := startTap(t, host)
			for i, name := range b.matrix.configurations() {
				count++
				spec := r.talk(b.matrix.Talks[b.matrix.depth(i, j)])
				if err := b.serverTalk(ctx, p, dialers[name], spec); err != nil && !b.isFault(err) {
					t.Errorf("%s with our %s: %v", b.name, name, err)
				}
			}
		})
	}
	b.expectFaults(r)
	return count
}

// serverTalk is one connection that we open. We have to refuse what the peer must not answer, and nothing else.
func (b *bench) serverTalk(ctx context.Context, p *tap, d *dialer, spec talkSpec) error {
	conn, dialErr := d.dial(ctx, p.url())
	var r told
	if dialErr == nil {
		r = talk(conn, spec)
		conn.drop()
	}
	seen, err := p.next(ctx)
	if err != nil {
		return errors.Join(dialErr, err)
	}
	if err := seen.server.refused(); err != nil {
		return err
	}
	offers, answer, err := negotiated(&seen)
	if err != nil {
		return errors.Join(err, dialErr)
	}
	fault := judge(offers, answer)
	switch {
	case fault != nil && dialErr == nil:
		return fmt.Errorf("accepted though %w: %s to %v", fault, answer, offers)
	case fault != nil:
		return fault
	case dialErr != nil:
		return fmt.Errorf("%w: %s to %v", dialErr, answer, offers)
	case r.Error != "":
		return fmt.Errorf("%s, agreed on %s", r.Error, answer)
	}
	return b.judge(&seen, r, offers[0], answer, spec, &seen.server)
}

// judge judges both directions of a talk, and notes what was seen of the peer.
func (b *bench) judge(seen *traffic, r told, offer, answer params, spec talkSpec, theirs *flow) error {
	server := limits{!answer.ServerNoTakeover, bits(answer.ServerBits)}
	client := limits{!answer.ClientNoTakeover && !offer.ClientNoTakeover, bits(answer.ClientBits)}
	peerIs := func(f *flow) bool { return f == theirs }
	for _, side := range []struct {
		name   string
		flow   *flow
		agreed limits
	}{{"server", &seen.server, server}, {"client", &seen.client, client}} {
		silent, forgetful := peerIs(side.flow) && b.role.Silent, peerIs(side.flow) && b.role.Forgetful
		if err := judgeFlow(side.flow, r, side.agreed, spec, silent, forgetful); err != nil {
			return fmt.Errorf("the %s's messages, agreed on %s: %w", side.name, answer, err)
		}
		if side.agreed.takeover && side.flow.remembers(r.Similar, spec.Similar) {
			b.saw[side.name+"-takeover"] = true
		}
		if side.agreed.bits < 15 {
			b.saw[side.name+"-window"] = true
		}
	}
	told := answer.String()
	if b.role.NameOnly {
		told, _, _ = strings.Cut(told, ";")
	}
	if !peerIs(&seen.server) && strings.ReplaceAll(r.Extensions, `"`, "") != told {
		return fmt.Errorf("it says that %q was agreed, not %s", r.Extensions, told)
	}
	theirs.shown(b.saw)
	return nil
}

// next waits for the end of a connection.
func (p *tap) next(ctx context.Context) (traffic, error) {
	select {
	case seen := <-p.traffic:
		return seen, nil
	case <-ctx.Done():
		return traffic{}, fmt.Errorf("the connection is not closed: %w", ctx.Err())
	}
}

// negotiated reads what was offered and answered.
func negotiated(seen *traffic) (offers []params, answer params, err error) {
	if offers, err = parseElements(seen.client.extensions()); err != nil {
		return nil, answer, fmt.Errorf("offer: %w", err)
	}
	answers, err := parseElements(seen.server.extensions())
	if err != nil {
		return nil, answer, fmt.Errorf("answer to %s: %w", offers[0], err)
	}
	if len(answers) > 1 {
		return nil, answer, fmt.Errorf("%d answers", len(answers))
	}
	return offers, answers[0], nil
}

// isFault says whether an error is one that the matrix has for the peer, and keeps that it happened.
func (b *bench) isFault(err error) bool {
	for words := range b.role.Faults {
		if strings.Contains(err.Error(), words) {
			b.faults[words] = true
			return true
		}
	}
	return false
}

// expectFaults fails for faults that the matrix has, and that are gone.
func (b *bench) expectFaults(r *role) {
	for _, words := range slices.Sorted(maps.Keys(r.Faults)) {
		if !b.faults[words] {
			b.Errorf("%s: the fault %q did not show", b.name, words)
		}
	}
}
