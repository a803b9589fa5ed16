package deflate

import (
	"errors"
	"fmt"
	"strings"
)

// hears is what one connection showed beyond its messages.
type hears map[string]bool

// limits are what was agreed for one direction.
type limits struct {
	takeover bool
	bits     int // of the window
}

// inspect judges the messages of one direction. They are compressed as agreed: no message refers to what is beyond its
// window, or was forgotten.
func (f *flow) inspect(agreed limits) error {
	history := 0
	for i, m := range f.messages {
		switch {
		case m.farthest > 1<<agreed.bits:
			return fmt.Errorf("message %d refers %d bytes back, beyond the window of %d bits", i, m.farthest, agreed.bits)
		case m.back > 0 && !agreed.takeover:
			return fmt.Errorf("message %d refers to an earlier one, without context takeover", i)
		case m.back > history:
			return fmt.Errorf("message %d refers %d bytes before the first one", i, m.back-history)
		}
		if m.compressed {
			history += m.plain
		}
	}
	return nil
}

// compressed says how many messages were, and whether that made their bytes fewer.
func (f *flow) compressed() (messages int, smaller bool) {
	wire, plain := 0, 0
	for _, m := range f.messages {
		if m.compressed {
			messages, wire, plain = messages+1, wire+m.wire, plain+m.plain
		}
	}
	return messages, wire < plain
}

// remembers says whether the later ones of the similar messages are short because they refer to the earlier.
func (f *flow) remembers(first, n int) bool {
	if len(f.messages) < first+n {
		return false
	}
	wire, plain, back := 0, 0, 0
	for _, m := range f.messages[first+n/2 : first+n] {
		wire, plain, back = wire+m.wire, plain+m.plain, back+m.back
	}
	return back > 0 && wire < plain/3
}

// judgeFlow judges one direction of a talk. A silent sender compresses nothing.
func judgeFlow(f *flow, r told, agreed limits, spec talkSpec, silent, forgetful bool) error {
	if f.err != nil {
		return f.err
	}
	if len(f.messages) != r.Messages {
		return fmt.Errorf("%d messages of %d", len(f.messages), r.Messages)
	}
	if err := f.inspect(agreed); err != nil {
		return err
	}
	n, smaller := f.compressed()
	switch remembers := f.remembers(r.Similar, spec.Similar); {
	case silent && n > 0:
		return errors.New("compressed messages of a peer that has none")
	case silent:
		return nil
	case !smaller:
		return fmt.Errorf("%d messages are compressed, and not smaller", n)
	case agreed.takeover && !forgetful && !remembers:
		return errors.New("context takeover is not used")
	}
	return nil
}

// shown lists what the flow of a peer showed.
func (f *flow) shown(saw hears) {
	compressed := false
	for _, m := range f.messages {
		saw["fragments"] = saw["fragments"] || m.compressed && m.frames > 1
		saw["plain"] = saw["plain"] || compressed && !m.compressed
		compressed = compressed || m.compressed
	}
	saw["pings"] = saw["pings"] || f.pings > 0
}

// refused says why the server answered with something else than 101.
func (f *flow) refused() error {
	if !strings.HasPrefix(f.first, "HTTP/1.1 101") {
		return fmt.Errorf("refused: %q", f.first)
	}
	return nil
}
