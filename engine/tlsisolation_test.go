//go:build linux || darwin || freebsd

package engine

import (
	"crypto/tls"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// A beside is a connection of each kind on every loop of a TLS server that also dials: TLS ones that came, and plain ones that it opened.
type beside struct {
	r      *secureServer
	secure []*client
	plain  []Conn
	got    chan string
}

func newBeside(t testing.TB, r *secureServer, loops int) *beside {
	t.Helper()
	b := &beside{r: r, got: make(chan string, 10)}
	far := serve(t, &Server{Events: Events{Message: echo}})
	events := &Events{Message: func(_ Conn, _ codec.Opcode, payload []byte) { b.got <- string(payload) }}
	for range loops {
		b.secure = append(b.secure, r.upgraded(r.config()))
		c, err := r.Dial(t.Context(), "ws://"+far.addr+"/", &DialOptions{Events: events})
		if err != nil {
			t.Fatal(err)
		}
		b.plain = append(b.plain, c)
	}
	return b
}

// echo has a message echoed on every connection, and returns how long each took.
func (b *beside) echo(t testing.TB, text string) (took []time.Duration) {
	t.Helper()
	for i := range b.secure {
		start := time.Now()
		b.secure[i].echoes(text)
		took = append(took, time.Since(start))
		start = time.Now()
		if _, err := b.plain[i].SendText(text); err != nil {
			t.Fatal(err)
		}
		if got := await(t, b.got, "the echo"); got != text {
			t.Fatalf("the echo is %q", got)
		}
		took = append(took, time.Since(start))
	}
	return took
}

// stall has n clients stop before, in and behind their ClientHello.
func (r *secureServer) stall(n int) {
	r.t.Helper()
	hello := firstFlight(r.t, r.config())
	for i := range n {
		r.dial().write(string(hello[:[]int{0, 1, len(hello) / 2, len(hello)}[i%4]]))
	}
}

// TestTLSHandshakesKeepOffTheLoopsW14 has handshakes compute that never end, as many as may at a time and some more, beside a thousand that stall. Were any
// of it done on a loop, nobody there would be served: every connection, TLS or plain, echoes. When they end, those that waited get in.
func TestTLSHandshakesKeepOffTheLoopsW14(t *testing.T) {
	const loops = 2
	release, computing := make(chan struct{}), make(chan struct{}, 1000)
	var once sync.Once
	end := func() { once.Do(func() { close(release) }) }
	defer end()
	r := serveSecure(t, &Server{
		Loops: loops, HandshakeTimeout: never, Events: Events{Message: echo},
		TLSConfig: &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			if h.ServerName == "computes.test" {
				computing <- struct{}{}
				<-release
			}
			return nil, nil
		}},
	})
	b := newBeside(t, r, loops)
	r.stall(throngSize(t, 1000))
	config := r.config()
	config.ServerName, config.InsecureSkipVerify = "computes.test", true
	var computes, waits sync.WaitGroup
	came := make(chan error, 100)
	turns := runtime.GOMAXPROCS(0) // which is what may compute at a time
	for range turns {
		computes.Go(func() { came <- visit(r.addr, config) })
	}
	for range turns {
		await(t, computing, "a handshake to compute")
	}
	for range 10 {
		waits.Go(func() { came <- visit(r.addr, r.config()) })
	}
	var took []time.Duration
	for i := range 100 {
		took = append(took, b.echo(t, fmt.Sprint("meanwhile ", i))...)
	}
	slices.Sort(took)
	t.Logf("%d echoes: median %v, p99 %v", len(took), took[len(took)/2], took[len(took)*99/100])
	if len(came) > 0 {
		t.Errorf("a handshake ended: %v", <-came)
	}
	end()
	for range turns + 10 {
		if err := await(t, came, "a client"); err != nil {
			t.Error(err)
		}
	}
	computes.Wait()
	waits.Wait()
}
