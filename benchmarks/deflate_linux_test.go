package benchmarks

import (
	"bytes"
	"compress/flate"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/benchmarks/internal/payload"
)

// deflaters are the servers that agree to compression, and how each is told to, without and with context takeover.
var deflaters = map[string]struct{ takesOver bool }{
	"coder": {true}, "gorilla": {false}, "gws": {true}, "wsloop": {true}, "ws": {true}, "bun": {true},
}

// offers are those of the load generator.
var offers = map[bool]string{
	false: "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
	true:  "permessage-deflate; client_max_window_bits",
}

// A deflater is a client that compresses, and remembers what the server may refer to.
type deflater struct {
	*client
	takeover bool
	window   []byte
	shrunk   int // replies that came compressed
}

// send compresses a message by itself, as the load generator's are.
func (d *deflater) send(message []byte) {
	d.t.Helper()
	d.client.send(rsv1|text, payload.Compress(message, d.takeover))
}

// rsv1 marks a compressed message (RFC 7692 section 6).
const rsv1 = 0x40

// receive reads one message in as many frames as it has, and inflates it.
func (d *deflater) receive() []byte {
	d.t.Helper()
	var message []byte
	first, final := byte(0), false
	for opcode := byte(text); !final; opcode = 0 {
		var head byte
		var piece []byte
		head, piece = d.frame()
		if final = head&fin != 0; head&0xf != opcode || opcode == 0 && head&rsv1 != 0 {
			d.t.Fatalf("a frame begins with %#x", head)
		}
		if opcode == text {
			first = head
		}
		message = append(message, piece...)
	}
	if first&rsv1 == 0 {
		return message
	}
	d.shrunk++
	const tail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff" // and an empty block, so that there is an end
	got, err := io.ReadAll(flate.NewReaderDict(io.MultiReader(bytes.NewReader(message), strings.NewReader(tail)), d.window))
	if err != nil {
		d.t.Fatal(err)
	}
	if d.takeover {
		d.window = append(d.window, got...)
		d.window = d.window[max(0, len(d.window)-1<<15):]
	}
	return got
}

// All that compress do so alike: what comes back is the message, whether it was compressed or not.
func TestDeflate(t *testing.T) {
	for _, r := range rivals {
		can, deflates := deflaters[r.name]
		if !deflates {
			continue
		}
		for _, takeover := range []bool{false, true} {
			if takeover && !can.takesOver {
				continue
			}
			name, flag := r.name, "-deflate"
			if takeover {
				name, flag = r.name+"/takeover", "-deflate-takeover"
			}
			t.Run(name, func(t *testing.T) {
				addr := r.start(t, flag)
				c, extensions := offer(t, addr, offers[takeover])
				if !strings.HasPrefix(extensions, "permessage-deflate") || strings.Contains(extensions, "server_no_context_takeover") == takeover {
					t.Fatalf("Sec-WebSocket-Extensions: %q", extensions)
				}
				d := &deflater{client: c, takeover: takeover}
				for _, size := range []int{64, 512, 4 << 10, 64 << 10} {
					before := d.shrunk
					for _, message := range payload.Messages(size)[:4] {
						d.send(message)
						if got := d.receive(); !bytes.Equal(got, message) {
							t.Fatalf("%d bytes came back as %s", len(message), brief(got))
						}
					}
					if n := d.shrunk - before; size >= 4<<10 && n != 4 {
						t.Errorf("%d of 4 messages of %d bytes came compressed", n, size)
					}
				}
				d.client.send(text, []byte("Grüße"))
				if got := d.receive(); string(got) != "Grüße" {
					t.Errorf("what was not compressed came back as %s", brief(got))
				}
				d.leave()
				generate(t, addr, takeover)
			})
		}
	}
}

// generate has the load generator take the replies apart.
func generate(t *testing.T, addr string, takeover bool) {
	t.Helper()
	load := compile(t, "load/*.c")
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{64, 4 << 10, 64 << 10} {
		path := messages(t, size, takeover)
		args := []string{"-p", port, "-P", strconv.Itoa(os.Getpid()), "-c", "5", "-o", "3", "-w", "0", "-t", "0.05", "-z", path}
		if takeover {
			args = append(args, "-Z")
		}
		out, err := exec.Command(load, args...).CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte(" payload="+strconv.Itoa(size)+" ")) || !bytes.Contains(out, []byte(" wire_bytes=")) {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// messages writes a file for the load generator.
func messages(t *testing.T, size int, takeover bool) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "messages"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := payload.Write(f, size, takeover); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// The load generator measures nothing where compression is not agreed to, or not as it was asked for.
func TestDeflateRefused(t *testing.T) {
	load := compile(t, "load/*.c")
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("\x00\x00\x00\x05\x00\x00\x00\x01half"), 0o600); err != nil {
		t.Fatal(err)
	}
	gorilla := rival{name: "gorilla"}
	plain, without := gorilla.start(t), gorilla.start(t, "-deflate")
	for _, c := range []struct{ addr, file, flag, want string }{
		{plain, messages(t, 64, false), "", "no permessage-deflate"},
		{without, messages(t, 64, true), "-Z", "refuses context takeover"},
		{without, broken, "", "half a message"},
		{without, os.DevNull, "", "no messages"},
		{without, "/does/not/exist", "", "No such file"},
	} {
		_, port, err := net.SplitHostPort(c.addr)
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"-p", port, "-P", strconv.Itoa(os.Getpid()), "-t", "0.05", "-z", c.file}
		if c.flag != "" {
			args = append(args, c.flag)
		}
		if out, err := exec.Command(load, args...).CombinedOutput(); err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
}
