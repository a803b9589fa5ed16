package listen

import (
	"flag"
	"net"
	"net/http"
)

// A Pair names the PEM files of a certificate and its key.
type Pair struct{ Certificate, Key string }

// TLS adds the flags -tls-cert and -tls-key, for servers that can. It is called before the flags are parsed, which fills the pair in.
func TLS() *Pair {
	p := new(Pair)
	flag.StringVar(&p.Certificate, "tls-cert", "", "speak TLS with the certificate in this PEM `file`; with -tls-key")
	flag.StringVar(&p.Key, "tls-key", "", "PEM `file` of its key")
	return p
}

// Given says whether the flags ask for TLS.
func (p *Pair) Given() bool { return p.Certificate != "" }

// Serve serves with net/http and its TLS, or without it if nobody asked for that.
func (p *Pair) Serve(ln net.Listener, h http.Handler) error {
	if p.Given() {
		return http.ServeTLS(ln, h, p.Certificate, p.Key)
	}
	return http.Serve(ln, h)
}
