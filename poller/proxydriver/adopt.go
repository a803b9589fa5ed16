package proxydriver

import (
	"fmt"
	"net"

	"github.com/wsloop/wsloop/poller"
)

var (
	_ poller.Adopter  = (*Driver)(nil)
	_ poller.Detacher = (*layer)(nil)
)

// Adopt implements poller.Adopter if the inner driver does.
func (d *Driver) Adopt(a *poller.Adoption) error {
	inner, ok := d.inner.(poller.Adopter)
	if !ok {
		return fmt.Errorf("%w: a driver of type %T adopts no connections", poller.ErrUnsupported, d.inner)
	}
	return inner.Adopt(a)
}

// Detach implements poller.Detacher if the inner loop does.
func (l *layer) Detach(t poller.Token) (conn net.Conn, input []byte, err error) {
	inner, ok := l.Loop.(poller.Detacher)
	if !ok {
		return nil, nil, fmt.Errorf("%w: a loop of type %T gives no connections up", poller.ErrUnsupported, l.Loop)
	}
	return inner.Detach(t)
}
