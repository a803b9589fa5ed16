package deflate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
)

// tap is a TCP proxy that reads along: what was negotiated, and what the frames are like.
type tap struct {
	listener net.Listener
	target   string
	traffic  chan traffic // one for each connection, when it is over
}

// traffic is what one connection said.
type traffic struct {
	client, server flow
}

// flow is one direction.
type flow struct {
	bytes    int64  // on the wire
	first    string // the first line of the head
	head     textproto.MIMEHeader
	messages []message
	pings    int
	closed   bool
	err      error // that what was said is not WebSocket
}

// message is a data message as it went over the wire.
type message struct {
	compressed bool
	frames     int
	wire       int // bytes of payload in its frames
	plain      int // inflated
	farthest   int // distance to which it refers
	back       int // how far that is before its own beginning
}

// startTap listens in front of a server until the test ends.
func startTap(t *testing.T, target string) *tap {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{listener, target, make(chan traffic, 64)} // more than ever wait
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return p
}

func (p *tap) url() string { return "ws://" + p.listener.Addr().String() + "/" }

func (p *tap) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	var seen traffic
	var both sync.WaitGroup
	both.Go(func() { seen.client.copy(server, client) })
	both.Go(func() { seen.server.copy(client, server) })
	both.Wait()
	p.traffic <- seen
}

// copy copies one direction to its end and reads it.
func (f *flow) copy(to, from net.Conn) {
	r, w := io.Pipe()
	read := make(chan struct{})
	go func() {
		f.err = f.read(bufio.NewReader(r))
		_, _ = io.Copy(io.Discard, r)
		close(read)
	}()
	f.bytes, _ = io.Copy(to, io.TeeReader(from, w))
	_ = to.(*net.TCPConn).CloseWrite()
	w.Close()
	<-read
}

func (f *flow) read(r *bufio.Reader) (err error) {
	head := textproto.NewReader(r)
	if f.first, err = head.ReadLine(); err != nil {
		return err
	}
	if f.head, err = head.ReadMIMEHeader(); err != nil {
		return err
	}
	if strings.HasPrefix(f.first, "HTTP/1.1 ") && !strings.HasPrefix(f.first, "HTTP/1.1 101") {
		return nil // a refusal and its body
	}
	var open []byte
	var m message
	for {
		op, fin, rsv1, payload, err := readFrame(r)
		if err != nil {
			return ended(err)
		}
		switch op {
		case 8:
			f.closed = true
			return nil
		case 9:
			f.pings++
			continue
		case 10:
			continue
		case 1, 2:
			open, m = nil, message{compressed: rsv1}
		}
		open = append(open, payload...)
		m.frames, m.wire = m.frames+1, len(open)
		if !fin {
			continue
		}
		m.plain = len(open)
		if m.compressed {
			if m.plain, m.farthest, m.back, err = measure(open); err != nil {
				return fmt.Errorf("message %d: %w", len(f.messages), err)
			}
		}
		f.messages = append(f.messages, m)
	}
}

// ended forgives a connection that is cut without a Close frame: whether that is right, others tell.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// readFrame reads a frame (RFC 6455 section 5.2) and unmasks it.
func readFrame(r *bufio.Reader) (op byte, fin, rsv1 bool, payload []byte, err error) {
	var b [8]byte
	if _, err = io.ReadFull(r, b[:2]); err != nil {
		return 0, false, false, nil, err
	}
	op, fin, rsv1 = b[0]&15, b[0]&0x80 != 0, b[0]&0x40 != 0
	masked, n := b[1]&0x80 != 0, uint64(b[1]&0x7f)
	switch n {
	case 126:
		_, err = io.ReadFull(r, b[:2])
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		_, err = io.ReadFull(r, b[:8])
		n = binary.BigEndian.Uint64(b[:])
	}
	if err != nil || n > 1<<25 {
		return 0, false, false, nil, errors.Join(err, fmt.Errorf("a frame of %d bytes", n))
	}
	var key [4]byte
	if masked {
		if _, err = io.ReadFull(r, key[:]); err != nil {
			return 0, false, false, nil, err
		}
	}
	payload = make([]byte, n)
	if _, err = io.ReadFull(r, payload); err != nil {
		return 0, false, false, nil, err
	}
	for i := range payload {
		payload[i] ^= key[i%4]
	}
	return op, fin, rsv1, payload, nil
}

// extensions is the field of a head, "" if it is not there.
func (f *flow) extensions() string {
	return strings.Join(f.head.Values("Sec-WebSocket-Extensions"), ", ")
}
