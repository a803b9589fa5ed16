package engine

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// A message of any length, written in pieces by a goroutine that waits, takes no more memory than may
// be buffered.
func TestWriteWaitToASlowReader(t *testing.T) {
	t.Parallel()
	const limit, chunk = 256 << 10, 40_000
	length := 50 << 20
	if testing.Short() {
		length = 10 << 20
	}
	opened := make(chan Conn, 1)
	s := serve(t, &Server{MaxBufferedBytes: limit, Events: Events{Open: func(c Conn) { opened <- c }}})
	peer := s.openSlow()
	c := await(t, opened, "Open")
	written := make(chan error, 1)
	most := 0
	go func() { written <- stream(c, length, chunk, &most) }()
	got := 0
	for fin := false; !fin; {
		f := peer.read()
		fin = f.fin
		for i, b := range f.payload {
			if b != byte((got+i)/chunk) {
				t.Fatalf("byte %d is %d", got+i, b)
			}
		}
		got += len(f.payload)
	}
	if err := await(t, written, "the message to be written"); err != nil || got != length {
		t.Errorf("%d of %d bytes, %v", got, length, err)
	}
	if most > limit {
		t.Errorf("%d bytes were buffered", most)
	}
	if n := s.Stats().BufferFull; n != 0 {
		t.Errorf("%d refusals", n)
	}
}

// stream writes a message of length bytes in chunks, the bytes of each being its number, and notes how much
// was ever buffered.
func stream(c Conn, length, chunk int, most *int) error {
	w, err := c.NewWriter(codec.OpcodeBinary)
	if err != nil {
		return err
	}
	ctx := context.Background()
	for i := 0; i*chunk < length; i++ {
		p := bytes.Repeat([]byte{byte(i)}, min(chunk, length-i*chunk))
		if n, err := w.WriteWait(ctx, p); n != len(p) || err != nil {
			return err
		}
		*most = max(*most, c.Buffered())
	}
	if err := w.CloseWait(ctx); err != nil {
		return err
	}
	if _, err := w.WriteWait(ctx, nil); !errors.Is(err, ErrClosed) {
		return errors.New("WriteWait after CloseWait")
	}
	if err := w.CloseWait(ctx); !errors.Is(err, ErrClosed) {
		return errors.New("CloseWait after CloseWait")
	}
	return nil
}

// A writer that waits can give up and go on later: nothing of what it gave up was sent.
func TestWriteWaitCancelled(t *testing.T) {
	st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(2)})
	w, err := st.c.NewWriter(codec.OpcodeText)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := w.Write([]byte(payloadOf(1))); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := w.WriteWait(ctx, []byte("gone")); return err },
		w.CloseWait,
	} {
		ctx, cancel := context.WithCancel(t.Context())
		done := st.wait(func() error { return f(ctx) })
		cancel()
		if err := await(t, done, "the writer"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	done := st.wait(func() error { return w.CloseWait(t.Context()) })
	st.drain(st.c.token)
	if err := await(t, done, "CloseWait"); err != nil {
		t.Error(err)
	}
	st.turn()
	all, err := frames(st.take(st.c.token))
	if err != nil || len(all) != 4 || !all[3].fin || len(all[3].payload) != 0 {
		t.Errorf("sent %v, %v", all, err)
	}
}
