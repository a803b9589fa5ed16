//go:build linux

// In this mode crypto/tls offers AES alone, AES-128 first. It has no other way to choose the ciphers of TLS 1.3, and the library of nbio takes
// ChaCha20 where it may.

//go:debug fips140=on

// Command wssload is the closed loop of scripts/bench/load over TLS: it keeps messages in flight on each of its connections,
// and prints one line of key=value that says what each cost the server. One thread, made to be lighter than the server:
//
//	wssload -p port -P pid -ca file [-c connections] [-o outstanding] [-b payload bytes] [-t seconds] [-w warm-up seconds]
//
// crypto/tls makes the connections, and only with TLS 1.3, AES-128-GCM and the certificate of the file; anything else is an error. What follows is done
// here with the keys that were agreed to, without copies, locks or goroutines. Each message is sent in records of its own, as by a client that
// writes one after the other. Replies may come in any records. They are decrypted, which authenticates them, and
// counted; on each connection one is compared byte by byte before and after the measurement. Linux only.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"os"
	"runtime"
)

// plan is what the flags say.
type plan struct {
	port, server int // the server's port, and its process
	authority    string
	connections  int
	outstanding  int // messages that each connection keeps in flight
	bytes        int // of payload
	seconds      float64
	warmup       float64 // seconds
}

func main() {
	runtime.GOMAXPROCS(1) // it has one processor, and measures that of the server
	var p plan
	flag.IntVar(&p.port, "p", 0, "the server's `port` on 127.0.0.1")
	flag.IntVar(&p.server, "P", 0, "`process` of the server")
	flag.StringVar(&p.authority, "ca", "", "PEM `file` of the certificate to trust")
	flag.IntVar(&p.connections, "c", 1, "`connections`")
	flag.IntVar(&p.outstanding, "o", 1, "`messages` in flight on each")
	flag.IntVar(&p.bytes, "b", 125, "`bytes` of payload of each")
	flag.Float64Var(&p.seconds, "t", 2, "`seconds` to measure")
	flag.Float64Var(&p.warmup, "w", 0.3, "`seconds` before that")
	flag.Parse()
	if flag.NArg() > 0 || p.port <= 0 || p.server <= 0 || p.connections <= 0 || p.outstanding <= 0 || p.bytes < 0 || p.seconds <= 0 || p.warmup < 0 {
		flag.Usage()
		os.Exit(2)
	}
	line, err := p.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "wssload:", err)
		os.Exit(1)
	}
	fmt.Println(line)
}

// run opens the connections and measures. It returns the line to print.
func (p plan) run() (string, error) {
	trusted, err := trust(p.authority)
	if err != nil {
		return "", err
	}
	m := newMessage(p.bytes)
	var peers []*peer
	defer func() {
		for _, one := range peers {
			_ = one.file.Close() // nothing is asked of it any more
		}
	}()
	for range p.connections {
		one, err := open(p.port, trusted)
		if err != nil {
			return "", err
		}
		peers = append(peers, one)
		if err := one.exchange(m); err != nil {
			return "", err
		}
	}
	l, err := newLoop(m, peers, p.outstanding)
	if err != nil {
		return "", err
	}
	defer l.close()
	spent, err := l.measure(p.server, p.warmup, p.seconds)
	if err != nil {
		return "", err
	}
	for _, one := range peers {
		if err := one.exchange(m); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("mode=wss conns=%d outstanding=%d payload=%d %s tls_version=%d tls_cipher=%d", p.connections, p.outstanding, p.bytes,
		spent, tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256), nil
}
