package bridge

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// firstBackoff is the pause after the first attempt to connect.
const firstBackoff = 125 * time.Millisecond

// session is what there is to know about a link. It belongs to the goroutine of run.
type session struct {
	bridge *Bridge
	link   Link
	subs   map[string]struct{} // what the broker has confirmed
	first  []string            // patterns that were wanted when the link was made, and are not subscribed to yet
	idle   *time.Timer
	up     bool
}

// run keeps a link with the broker until the bridge is closed.
func (b *Bridge) run() {
	defer close(b.ended)
	backoff := firstBackoff
	for {
		link, err := b.broker.Connect(b.ctx)
		if err == nil {
			began := time.Now()
			s := b.begin(link)
			err = s.talk()
			s.idle.Stop()
			link.Close()
			if s.up && time.Since(began) > b.options.Heartbeat {
				backoff = firstBackoff
			}
		} else {
			b.counters.failures.Add(1)
		}
		b.lost(err)
		pause := time.NewTimer(backoff/2 + rand.N(backoff/2))
		select {
		case <-b.closing:
			pause.Stop()
			return
		case <-pause.C:
		}
		backoff = min(2*backoff, b.options.MaxBackoff)
	}
}

func (b *Bridge) begin(link Link) *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changed = make(map[string]struct{})
	return &session{
		bridge: b, link: link, subs: make(map[string]struct{}),
		first: slices.Collect(maps.Keys(b.wanted)),
		idle:  time.NewTimer(b.options.Heartbeat),
	}
}

// lost notes that there is no link. Nothing that is queued is sent when there is one again: it would come late.
func (b *Bridge) lost(err error) {
	b.mu.Lock()
	b.changed = nil
	b.subscribed.Store(0)
	news := !b.is(away) && !b.is(closed)
	b.set(away)
	b.mu.Unlock()
	if b.is(closed) {
		return // what is queued is the concern of Close
	}
	b.drop()
	b.hasGap = true
	if news {
		b.counters.outages.Add(1)
		b.options.Logger.Warn("wsloop: the broker is away", slog.Any("error", err))
	}
}

// found notes that a link is up: what is wanted is subscribed to, and the broker has confirmed it.
func (b *Bridge) found() {
	b.mu.Lock()
	b.set(up)
	b.mu.Unlock()
	if b.hasGap {
		b.hasGap = false
		b.inbox.push(arrival{})
		b.options.Logger.Info("wsloop: the broker is there")
	}
}

// talk does rounds until the link has ended, or the bridge is closed and nothing is left to send.
func (s *session) talk() error {
	for {
		next := s.next()
		more := len(next.Changes)+len(next.Messages) > 0
		if more || !s.up {
			if err := s.do(next); err != nil {
				return err
			}
			if !s.up && len(s.first) == 0 {
				s.up = true
				s.bridge.found()
			}
			continue
		}
		s.idle.Reset(s.bridge.options.Heartbeat)
		select {
		case <-s.bridge.wake:
		case <-s.link.Gone():
			return s.link.Reason()
		case <-s.idle.C:
			if err := s.do(new(Round)); err != nil {
				return err
			}
		case <-s.bridge.closing:
			if next = s.next(); len(next.Messages) == 0 {
				return nil
			}
			if err := s.do(next); err != nil {
				return err
			}
		}
	}
}

// next takes what is to be sent now. Messages wait until all patterns are subscribed to for the first time.
func (s *session) next() *Round {
	b, r := s.bridge, new(Round)
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(s.first) > 0 && len(r.Changes) < roundPatterns {
		last := len(s.first) - 1
		s.change(r, s.first[last])
		s.first = s.first[:last]
	}
	for pattern := range b.changed {
		if len(r.Changes) >= roundPatterns {
			break
		}
		delete(b.changed, pattern)
		s.change(r, pattern)
	}
	if s.up {
		r.Messages = b.out.take(nil, roundBytes)
	}
	return r
}

// change adds a pattern to a round unless its subscription is what is wanted. Bridge.mu is held.
func (s *session) change(r *Round, pattern string) {
	_, wanted := s.bridge.wanted[pattern]
	if _, is := s.subs[pattern]; is != wanted {
		r.Changes = append(r.Changes, Change{Pattern: pattern, Wanted: wanted})
	}
}

// do sends a round, and counts what became of it. An error ends the link.
func (s *session) do(r *Round) error {
	b := s.bridge
	ctx, cancel := context.WithTimeout(b.ctx, b.options.patience())
	defer cancel()
	err := s.link.Do(ctx, r)
	var fates [Unsendable + 1]uint64
	for i := range r.Messages {
		fates[r.Messages[i].Fate]++
	}
	b.counters.missed.Add(fates[Missed])
	b.counters.unconfirmed.Add(fates[Unconfirmed])
	b.counters.carried.Add(fates[Carried])
	b.counters.unsendable.Add(fates[Unsendable])
	if err != nil {
		return err
	}
	for _, c := range r.Changes {
		switch {
		case c.Refused != nil:
			b.Complain(c.Pattern, c.Refused)
		case c.Wanted:
			s.subs[c.Pattern] = struct{}{}
		default:
			delete(s.subs, c.Pattern)
		}
	}
	b.subscribed.Store(int64(len(s.subs)))
	return nil
}
