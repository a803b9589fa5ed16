//go:build !gnetgate

package gnetdriver

import "github.com/panjf2000/gnet/v2"

// newClient makes loops of gnet.
func newClient(h gnet.EventHandler, loops int, options ...gnet.Option) (client, error) {
	return gnet.NewClient(h, append(options, gnet.WithNumEventLoop(loops))...)
}
