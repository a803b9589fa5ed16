//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a server may stay silent while it owes an answer.
const patience = 30 * time.Second

// The key of RFC 6455 section 1.3, with the answer given there.
const (
	key         = "dGhlIHNhbXBsZSBub25jZQ=="
	acceptValue = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// peer is an open connection.
type peer struct {
	fd      int
	file    *os.File // whose descriptor fd is
	in, out *half
	begun   []byte // of a record that has not come whole
	unsent  []byte // records that the socket did not take

	inFlight int // messages sent, or about to be, and not answered
	partial  int // bytes of the reply that has begun to come
}

// trust makes the config of all connections.
func trust(file string) (*tls.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate", file)
	}
	return &tls.Config{
		RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13,
		CurvePreferences: []tls.CurveID{tls.CurveP256}, // all know it, so that none has to ask for another
	}, nil
}

// open connects, and performs the handshakes of TLS and of WebSocket.
func open(port int, trusted *tls.Config) (*peer, error) {
	host := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	dialed, err := net.DialTimeout("tcp", host, patience)
	if err != nil {
		return nil, err
	}
	defer dialed.Close() // its descriptor is duplicated
	p, err := secure(dialed, trusted)
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	if p.file, err = dialed.(*net.TCPConn).File(); err != nil {
		return nil, err
	}
	p.fd = int(p.file.Fd())
	if err := errors.Join(unix.SetNonblock(p.fd, true), p.upgrade(host)); err != nil {
		_ = p.file.Close() // the error is the one that matters
		return nil, err
	}
	return p, nil
}

// secure performs the handshake of TLS, and takes its keys.
func secure(dialed net.Conn, trusted *tls.Config) (*peer, error) {
	if err := dialed.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	var log bytes.Buffer
	config := trusted.Clone()
	config.KeyLogWriter = &log
	conn := tls.Client(&recordReader{Conn: dialed}, config)
	if err := conn.Handshake(); err != nil {
		return nil, err
	}
	if s := conn.ConnectionState(); s.Version != tls.VersionTLS13 || s.CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		return nil, fmt.Errorf("the server chose %s, %s", tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite))
	}
	p := new(peer)
	for label, to := range map[string]**half{clientSecret: &p.out, serverSecret: &p.in} {
		secret, err := secretOf(log.Bytes(), label)
		if err != nil {
			return nil, err
		}
		if *to, err = newHalf(secret); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// recordReader gives crypto/tls no byte behind the record that it reads, so that nothing is lost with it.
type recordReader struct {
	net.Conn
	header [recordHeaderLen]byte
	whole  []byte // what is left of the record
}

// Read reads from one record.
func (r *recordReader) Read(b []byte) (int, error) {
	if len(r.whole) == 0 {
		if _, err := io.ReadFull(r.Conn, r.header[:]); err != nil {
			return 0, err
		}
		r.whole = make([]byte, recordHeaderLen+int(r.header[3])<<8+int(r.header[4]))
		if _, err := io.ReadFull(r.Conn, r.whole[copy(r.whole, r.header[:]):]); err != nil {
			return 0, err
		}
	}
	n := copy(b, r.whole)
	r.whole = r.whole[n:]
	return n, nil
}

// upgrade performs the opening handshake (RFC 6455 section 4.1).
func (p *peer) upgrade(host string) error {
	request := "GET / HTTP/1.1\r\nHost: " + host + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Version: 13\r\n\r\n"
	if err := p.sendAll([]byte(request)); err != nil {
		return err
	}
	var head []byte
	for !bytes.Contains(head, []byte("\r\n\r\n")) {
		more, err := p.receive()
		if err != nil {
			return err
		}
		head = append(head, more...)
	}
	if !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		return errors.New("the server sent something behind its response")
	}
	return accepted(head)
}

func accepted(head []byte) error {
	line, fields, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 101 ")) {
		return fmt.Errorf("opening handshake refused: %s", line)
	}
	for field := range bytes.Lines(fields) {
		name, value, _ := bytes.Cut(field, []byte(":"))
		if http.CanonicalHeaderKey(string(name)) == "Sec-Websocket-Accept" && string(bytes.TrimSpace(value)) == acceptValue {
			return nil
		}
	}
	return errors.New("opening handshake: no Sec-WebSocket-Accept, or a wrong one")
}

// exchange sends one message and compares the answer.
func (p *peer) exchange(m message) error {
	if err := p.sendAll(m.sent); err != nil {
		return err
	}
	var reply []byte
	for len(reply) < len(m.reply) {
		more, err := p.receive()
		if err != nil {
			return err
		}
		reply = append(reply, more...)
	}
	if !bytes.Equal(reply, m.reply) {
		return errors.New("the reply is not the message")
	}
	return nil
}

// sendAll seals and sends something, outside the measurement.
func (p *peer) sendAll(b []byte) error {
	for sealed := p.out.seal(nil, b); len(sealed) > 0; {
		n, err := unix.Write(p.fd, sealed)
		switch {
		case err == nil:
			sealed = sealed[n:]
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("write: %w", err)
		default:
			if err := p.wait(unix.POLLOUT); err != nil {
				return err
			}
		}
	}
	return nil
}

// receive returns the plaintext of the records that come next, outside the measurement.
func (p *peer) receive() (plaintext []byte, err error) {
	for len(plaintext) == 0 {
		if err := p.wait(unix.POLLIN); err != nil {
			return nil, err
		}
		buffer := make([]byte, maxRecord)
		n := copy(buffer, p.begun)
		more, err := p.readInto(buffer[n:])
		if err != nil {
			return nil, err
		}
		if _, err := p.records(buffer[:n+more], func(b []byte) { plaintext = append(plaintext, b...) }); err != nil {
			return nil, err
		}
	}
	return plaintext, nil
}

// wait waits until something can be read or written.
func (p *peer) wait(events int16) error {
	fds := []unix.PollFd{{Fd: int32(p.fd), Events: events}}
	n, err := unix.Poll(fds, int(patience/time.Millisecond))
	switch {
	case err != nil && !errors.Is(err, unix.EINTR):
		return fmt.Errorf("poll: %w", err)
	case err == nil && n == 0:
		return errors.New("the server does not answer")
	}
	return nil
}

// readInto reads what has come; 0 if nothing has.
func (p *peer) readInto(b []byte) (int, error) {
	n, err := unix.Read(p.fd, b)
	switch {
	case err == nil && n > 0:
		return n, nil
	case err == nil:
		return 0, errors.New("the server closed a connection")
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return 0, nil
	}
	return 0, fmt.Errorf("read: %w", err)
}

// records decrypts the whole records in b, which begins with what had begun, and keeps the rest. It returns how many there were.
func (p *peer) records(b []byte, each func(plaintext []byte)) (n int, err error) {
	for {
		recordLen, err := recordLen(b)
		if err != nil {
			return n, err
		}
		if recordLen == 0 {
			p.begun = append(p.begun[:0], b...)
			return n, nil
		}
		plaintext, err := p.in.open(b[:recordLen])
		if err != nil {
			return n, err
		}
		each(plaintext)
		b = b[recordLen:]
		n++
	}
}
