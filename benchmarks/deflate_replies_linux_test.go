package benchmarks

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/benchmarks/internal/payload"
)

// frames puts frames together that a server would send; the first byte of each string is that of its header.
func frames(all ...string) []byte {
	var b []byte
	for _, f := range all {
		switch body := f[1:]; {
		case len(body) <= 125:
			b = append(append(b, f[0], byte(len(body))), body...)
		default:
			b = append(binary.BigEndian.AppendUint16(append(b, f[0], 126), uint16(len(body))), body...)
		}
	}
	return b
}

// answer serves one connection: a handshake, the extensions it agrees to, and behind them the same bytes whatever it is sent.
func answer(t *testing.T, extensions string, reply []byte) (port string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		in := bufio.NewReader(conn)
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + acceptValue + "\r\n" +
			"Sec-WebSocket-Extensions: " + extensions + "\r\n\r\n"))
		if _, err := in.ReadByte(); err != nil {
			return
		}
		_, _ = conn.Write(reply)
		if half, ok := conn.(*net.TCPConn); ok {
			_ = half.CloseWrite() // behind a right reply the generator finds the end
		}
		_, _ = in.WriteTo(&bytes.Buffer{}) // no reset that overtakes the reply
	}()
	_, port, err = net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// The load generator takes what may be a reply, and nothing else.
func TestDeflateReplies(t *testing.T) {
	load := compile(t, "load/*.c")
	const (
		agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
		taken  = "the server closed a connection" // after the reply: it was taken for one
	)
	plain, over := messages(t, 512, false), messages(t, 512, true)
	message := string(payload.Messages(512)[0])
	shrunk := string(payload.Compress([]byte(message), false))
	f := func(first byte, body string) string { return string([]byte{first}) + body }
	for name, c := range map[string]struct {
		extensions, file string
		reply            []byte
		want             string
	}{
		"plain":               {agreed, plain, frames(f(fin|text, message)), taken},
		"compressed":          {agreed, plain, frames(f(fin|rsv1|text, shrunk)), taken},
		"plain in pieces":     {agreed, plain, frames(f(text, message[:5]), f(0, ""), f(fin, message[5:])), taken},
		"shrunk in pieces":    {agreed, plain, frames(f(rsv1|text, shrunk[:5]), f(fin, shrunk[5:])), taken},
		"another message":     {agreed, plain, frames(f(fin|text, message[:511]+"x")), "not the message"},
		"half a message":      {agreed, plain, frames(f(fin|text, message[:511])), "a reply of 511 bytes"},
		"too long":            {agreed, plain, frames(f(fin|text, message+"x")), "not the message"},
		"blown up":            {agreed, plain, frames(f(fin|rsv1|text, strings.Repeat("x", 600))), "a reply of 600 bytes"},
		"empty":               {agreed, plain, frames(f(fin|rsv1|text, "")), "a reply of 0 bytes"},
		"two":                 {agreed, plain, frames(f(fin|rsv1|text, "x"), f(fin|rsv1|text, "x")), "more than it was asked for"},
		"binary":              {agreed, plain, frames(f(fin|bin, message)), "begins with 82 7e"},
		"RSV2":                {agreed, plain, frames(f(fin|0x20|text, message)), "begins with a1 7e"},
		"RSV1 later":          {agreed, plain, frames(f(text, message[:5]), f(fin|rsv1, message[5:])), "begins with c0 7e"},
		"continues nothing":   {agreed, plain, frames(f(fin, message)), "begins with 80 7e"},
		"masked":              {agreed, plain, []byte{fin | text, masked | 5}, "begins with 81 85"},
		"another extension":   {"permessage-bzip2", plain, nil, "no permessage-deflate"},
		"takes over":          {"permessage-deflate", plain, nil, "insists on context takeover"},
		"unasked window":      {agreed + "; client_max_window_bits=12", plain, nil, "limits the client's window"},
		"takeover":            {"permessage-deflate; client_max_window_bits=12", over, frames(f(fin|rsv1|text, "x")), taken},
		"a window too small":  {`permessage-deflate; client_max_window_bits="9"`, over, nil, "limits the client's window"},
		"no takeover of ours": {"permessage-deflate; client_no_context_takeover", over, nil, "refuses the client context takeover"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"-p", answer(t, c.extensions, c.reply), "-P", strconv.Itoa(os.Getpid()), "-t", "0.05", "-z", c.file}
			if c.file == over {
				args = append(args, "-Z")
			}
			if out, err := exec.Command(load, args...).CombinedOutput(); err == nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
