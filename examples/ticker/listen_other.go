//go:build !unix

package main

import "net"

// listen leaves the buffers of connections to the system.
func listen(address string) (net.Listener, error) { return net.Listen("tcp", address) }
