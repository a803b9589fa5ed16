package tlsdriver

import (
	"cmp"
	"crypto/tls"
	"runtime"
	"sync/atomic"
	"time"
)

// Options configure a Driver. A driver with the zero value serves plain connections.
type Options struct {
	// Config makes a TLS server of every accepted connection. It is copied, with these changes: NextProtos
	// is http/1.1 if it is empty, and records are as long as they may be. What its GetConfigForClient returns is
	// used as it is. nil leaves accepted connections plain. Driver.SetConfig replaces it.
	Config *tls.Config
	// Client says by the tag of a dialed connection (poller.Dial.Tag) whether it is to be a TLS client: nil is
	// a plain connection. It is called on the loop. The config is copied as Config is, and never renegotiates. If Client
	// is nil, tags with a method TLSConfig() *tls.Config are asked.
	Client func(tag any) *tls.Config
	// Handshakes is how many handshakes may compute at a time, on all loops; 0 means one for each processor that Go uses.
	Handshakes int
	// MaxHandshakes is how many may be in progress, on all loops; 0 means 16384. Beyond it, the oldest of
	// the loop that waits for its peer is ended; if none of the oldest does, the new one is.
	MaxHandshakes int
	// HandshakeTimeout is how long one may take from the first byte of TCP on, and how long a connection whose handshake failed
	// waits for its peer to end it; 0 means 10 s.
	HandshakeTimeout time.Duration
	// Meter, if not nil, counts the bytes of this driver's buffers, as poller.Options.Meter does those of the native driver. Memory
	// of crypto/tls is not in it.
	Meter *atomic.Int64
	// Keep bounds what each loop keeps of them for later: see poller.Buffers.Keep.
	Keep int
}

func (o *Options) setDefaults() {
	o.Handshakes = cmp.Or(o.Handshakes, runtime.GOMAXPROCS(0))
	o.MaxHandshakes = cmp.Or(o.MaxHandshakes, 16384)
	o.HandshakeTimeout = cmp.Or(o.HandshakeTimeout, 10*time.Second)
	if o.Client == nil {
		o.Client = configOfTag
	}
}

func configOfTag(tag any) *tls.Config {
	if t, ok := tag.(interface{ TLSConfig() *tls.Config }); ok {
		return t.TLSConfig()
	}
	return nil
}

// prepare copies a config for the loops' use.
func prepare(config *tls.Config) *tls.Config {
	if config == nil {
		return nil
	}
	c := config.Clone()
	if len(c.NextProtos) == 0 {
		c.NextProtos = []string{"http/1.1"}
	}
	// A message is of use when all of it is there: short records at the beginning help nobody and cost two calls and 22 bytes each.
	c.DynamicRecordSizingDisabled = true
	// It would be a handshake on the loop.
	c.Renegotiation = tls.RenegotiateNever
	return c
}

// copied remembers the last config that was prepared: most callers use one for all connections.
type copied struct {
	from, to *tls.Config
}

func (c *copied) of(config *tls.Config) *tls.Config {
	if c.from != config {
		c.from, c.to = config, prepare(config)
	}
	return c.to
}
