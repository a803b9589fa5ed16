package engine

import (
	"context"

	"github.com/wsloop/wsloop/codec"
)

// sendWait sends a frame once there is room for it.
func sendWait(ctx context.Context, c Conn, o *outgoing, payload []byte) error {
	l := c.loop
	if l.settings.deflate.may(o, len(payload)) {
		x := scratches.Get().(*scratch)
		defer x.free()
		l.mu.Lock()
		bits, _ := l.windowFor(c.token, l.sendingOf(c.token), o, len(payload))
		l.mu.Unlock()
		if bits != 0 && x.compressAlone(l, c.token, o, bits, payload) {
			payload = x.out
		}
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		l.mu.Lock()
		room, err := l.roomFor(c, o, len(payload))
		if err == nil && room == nil {
			_, err = l.placeAlone(c.token, o, payload)
		}
		l.mu.Unlock()
		if err != nil || room == nil {
			l.driver.Wake()
			return err
		}
		l.driver.Wake()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// roomFor returns nil if there is room for a frame, and else a channel that is closed when it is worth to
// look again. loop.mu is held.
func (l *loop) roomFor(c Conn, o *outgoing, payloadLen int) (<-chan struct{}, error) {
	s := l.sendingOf(c.token)
	if s == nil || s.state != o.from {
		return nil, whyNot(s)
	}
	n := codec.MaxHeaderLen + payloadLen
	if n+itemBytes > l.settings.maxBuffered {
		return nil, ErrBufferFull
	}
	waiting := l.committed(s)
	if s.backlog != 0 {
		waiting += l.backlogs[s.backlog].cost()
	} else if l.fits(s, n, n) {
		return nil, nil
	}
	if waiting+n+itemBytes <= l.settings.maxBuffered {
		return nil, nil
	}
	b := l.backlogOf(c.token, s)
	l.entryOf(c.token, s) // so that Flush looks at it
	if b.room == nil {
		b.room = make(chan struct{})
	}
	return b.room, nil
}
