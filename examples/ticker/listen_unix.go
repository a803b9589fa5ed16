//go:build unix

package main

import (
	"context"
	"net"
	"syscall"
)

// sendBufferBytes is what the system keeps for a viewer before messages wait in the engine, where they can take each
// other's place. Left alone, Linux takes some megabytes: minutes of prices that are old.
const sendBufferBytes = 16 << 10

// listen opens a listener whose connections inherit the buffer.
func listen(address string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		failure := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, sendBufferBytes)
		})
		if failure != nil {
			return failure
		}
		return err
	}}
	return config.Listen(context.Background(), "tcp", address)
}
