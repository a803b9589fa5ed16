package tlsdriver

import (
	"io"
	"net"
)

// A wire is what a tls.Conn holds as its connection: a *conn while a loop has it, a *stream while package net/http or another has. Whoever gives the
// connection away leads the wire there before.
type wire struct {
	net.Conn
}

// Listener wraps one whose connections a tls.Listener or an http.Server is to make TLS servers of, so that Driver.Adopt can take
// them over.
func Listener(ln net.Listener) net.Listener { return movable{ln} }

type movable struct{ net.Listener }

// Accept implements net.Listener.
func (m movable) Accept() (net.Conn, error) {
	c, err := m.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &wire{&stream{Conn: c}}, nil
}

// streamBytes is what a stream reads at a time if the record at hand is not longer.
const streamBytes = 4 << 10

// A stream is a connection below TLS that no loop has. It gives crypto/tls the bytes of one record at a time, as the loops do: so
// it is known how much of one crypto/tls still lacks whenever a loop takes the connection over.
type stream struct {
	net.Conn
	buffer   []byte
	buffered []byte // the part of buffer that is to be read
	left     int    // bytes of the record that was begun
}

// Read implements net.Conn.
func (s *stream) Read(b []byte) (int, error) {
	if s.left == 0 {
		if err := s.awaitHeader(); err != nil {
			return 0, err
		}
		s.left, _ = record(s.buffered)
	}
	b = b[:min(len(b), s.left)]
	if len(s.buffered) == 0 && len(b) >= streamBytes {
		n, err := s.Conn.Read(b)
		s.left -= n
		return n, err
	}
	if len(s.buffered) == 0 {
		if err := s.more(); err != nil {
			return 0, err
		}
	}
	n := copy(b, s.buffered)
	s.buffered = s.buffered[n:]
	s.left -= n
	return n, nil
}

// awaitHeader reads until the header of the next record is there.
func (s *stream) awaitHeader() error {
	for len(s.buffered) < recordHeaderLen {
		err := s.more()
		if err == io.EOF && len(s.buffered) > 0 {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// more reads once.
func (s *stream) more() error {
	if cap(s.buffer) < streamBytes {
		s.buffer = make([]byte, streamBytes)
	}
	begun := copy(s.buffer[:cap(s.buffer)], s.buffered) // part of a header at most
	n, err := s.Conn.Read(s.buffer[begun:cap(s.buffer)])
	s.buffered = s.buffer[:begun+n]
	if n > 0 {
		return nil
	}
	return err
}
