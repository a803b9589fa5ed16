//go:build linux || darwin || freebsd

package engine

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// throngEnv has the test binary be many clients; its value is a throngOrder as JSON.
const throngEnv = "WSLOOP_TEST_THRONG"

// A throngOrder says what clients do. Those of a stage other than "" stop in their TLS handshake, which the first bytes decide.
type throngOrder struct {
	Addr         string
	Root         []byte // a certificate in DER that they trust
	N            int
	Versions     []uint16 // one after the other
	Stages       []string // "nothing", "half" and "whole" of a ClientHello; one after the other
	MessageBytes int      // each has a message of this length echoed; 0 for none
	Resume       bool     // all but the first resume a session
}

// A throng is clients in a process of their own, so that what the process of the test holds is the server's. They do the next thing when they are told to.
type throng struct {
	t   testing.TB
	n   int
	in  io.WriteCloser
	out *bufio.Reader
}

// throngSize is how many connections this process can hold one end of, and their process the other; at most most.
func throngSize(t testing.TB, most int) int {
	t.Helper()
	if testing.Short() {
		most = min(most, 500)
	}
	if raceBuild {
		most = min(most, 1000)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if room := int(limit.Cur) - 500; room < most {
		t.Logf("%d connections in place of %d: the process may have %d descriptors", room, most, limit.Cur)
		most = room
	}
	return most
}

// startThrong returns when the clients have come as far as they shall.
func startThrong(t testing.TB, o throngOrder) *throng {
	t.Helper()
	order, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	p := exec.Command(os.Args[0], "-test.run=^TestThrong$", "-test.timeout=10m")
	p.Env = append(os.Environ(), throngEnv+"="+string(order))
	g := &throng{t: t, n: o.N}
	if g.in, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	g.out = bufio.NewReader(out)
	t.Cleanup(func() {
		g.in.Close()
		rest, _ := io.ReadAll(g.out)
		if err := p.Wait(); err != nil {
			t.Errorf("the clients: %v\n%s", err, rest)
		}
	})
	g.expect("ready")
	return g
}

// do has them all do something.
func (g *throng) do(what string) {
	g.t.Helper()
	if _, err := fmt.Fprintln(g.in, what); err != nil {
		g.t.Fatal(err)
	}
	g.expect(what)
}

func (g *throng) expect(want string) {
	g.t.Helper()
	line, err := g.out.ReadString('\n')
	if err != nil || line != want+"\n" {
		rest, _ := io.ReadAll(g.out)
		g.t.Fatalf("the clients say %q, %v, want %q\n%s", line, err, want, rest)
	}
}

// TestThrong is the clients. They do what the lines say that they read: "echo" on every connection, "end" to have the server's end on all.
func TestThrong(t *testing.T) {
	order := os.Getenv(throngEnv)
	if order == "" {
		t.Skip("the clients of other tests")
	}
	var o throngOrder
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		t.Fatal(err)
	}
	all := make([]net.Conn, o.N)
	each := func(what string, do func(i int) error) {
		if err := inParallel(o.N, do); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		fmt.Println(what)
	}
	config := &tls.Config{ServerName: "localhost", RootCAs: x509.NewCertPool(), DynamicRecordSizingDisabled: true}
	if root, err := x509.ParseCertificate(o.Root); err == nil {
		config.RootCAs.AddCert(root)
	}
	hello := firstFlight(t, config)
	if o.Resume {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		c, err := o.join(config, 0)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	each("ready", func(i int) (err error) {
		if len(o.Stages) > 0 {
			all[i], err = o.stall(hello, o.Stages[i%len(o.Stages)])
		} else {
			all[i], err = o.join(config, i)
		}
		return err
	})
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch what := lines.Text(); what {
		case "echo":
			each(what, func(i int) error { return echoOn(all[i], "echo") })
		case "end":
			each(what, func(i int) error {
				all[i].SetDeadline(time.Now().Add(patience))
				if _, err := io.Copy(io.Discard, all[i]); err != nil && !errors.Is(err, syscall.ECONNRESET) {
					return err
				}
				return all[i].Close()
			})
		}
	}
	for _, c := range all {
		c.Close()
	}
}

// inParallel calls do for 0 to n-1 from some goroutines, and returns an error of theirs.
func inParallel(n int, do func(i int) error) error {
	const at = 8
	var wg sync.WaitGroup
	failed := make(chan error, at)
	for first := range at {
		wg.Go(func() {
			for i := first; i < n; i += at {
				if err := do(i); err != nil {
					failed <- fmt.Errorf("client %d: %w", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// stall connects and sends the beginning of a handshake.
func (o *throngOrder) stall(hello []byte, stage string) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", o.Addr, patience)
	if err != nil {
		return nil, err
	}
	_, err = c.Write(hello[:map[string]int{"nothing": 0, "half": len(hello) / 2, "whole": len(hello)}[stage]])
	return c, err
}

// join connects, opens a WebSocket and has a message echoed.
func (o *throngOrder) join(config *tls.Config, i int) (net.Conn, error) {
	config = config.Clone() // which keeps its session cache
	config.MaxVersion = o.Versions[i%len(o.Versions)]
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", o.Addr, config)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte(head("/"))); err != nil {
		return nil, err
	}
	for got := ""; !strings.HasSuffix(got, "\r\n\r\n"); {
		b := make([]byte, 1)
		if _, err := c.Read(b); err != nil {
			return nil, fmt.Errorf("after %q: %w", got, err)
		}
		got += string(b)
	}
	if o.Resume && i > 0 && !c.ConnectionState().DidResume {
		return nil, errors.New("the session was not resumed")
	}
	if o.MessageBytes > 0 {
		return c, echoOn(c, strings.Repeat("m", o.MessageBytes))
	}
	return c, nil
}

// echoOn has a message echoed on a WebSocket.
func echoOn(c net.Conn, text string) error {
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, masked(true, codec.OpcodeText, text)); err != nil {
		return err
	}
	f, err := readFrame(c)
	if err == nil && string(f.payload) != text {
		err = fmt.Errorf("the echo is %v", f)
	}
	return err
}
