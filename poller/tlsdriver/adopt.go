package tlsdriver

import (
	"fmt"
	"net"

	"github.com/wsloop/wsloop/poller"
)

var (
	_ poller.Adopter  = (*Driver)(nil)
	_ poller.Detacher = (*layer)(nil)
)

// Adopt implements poller.Adopter if the inner driver does. Options.Client decides whether it is to be TLS.
func (d *Driver) Adopt(a *poller.Adoption) error {
	inner, ok := d.inner.(poller.Adopter)
	if !ok {
		return fmt.Errorf("%w: a driver of type %T adopts no connections", poller.ErrUnsupported, d.inner)
	}
	return inner.Adopt(a)
}

// Detach implements poller.Detacher if the inner loop does. A connection that is TLS is not given up: its caller would not know how to read it.
func (l *layer) Detach(t poller.Token) (net.Conn, error) {
	if l.find(t) != nil {
		return nil, fmt.Errorf("%w: the connection is TLS", poller.ErrUnsupported)
	}
	inner, ok := l.inner.(poller.Detacher)
	if !ok {
		return nil, fmt.Errorf("%w: a loop of type %T gives no connections up", poller.ErrUnsupported, l.inner)
	}
	return inner.Detach(t)
}
