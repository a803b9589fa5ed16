package main

import (
	"crypto/tls"
	"flag"
	"log/slog"
	"strings"
	"time"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// addSecure are TLS, and proxies in front.
func (c *serveConfig) addSecure(flags *flag.FlagSet) {
	flags.StringVar(&c.pair.Certificate, "tls-cert", "", "serve wss with the certificates in this PEM `file`, which is read again when it changes; with -tls-key")
	flags.StringVar(&c.pair.Key, "tls-key", "", "PEM `file` of the key")
	flags.DurationVar(&c.reloads, "tls-reload", time.Minute, "how often the files of -tls-cert and -tls-key are looked at")
	flags.Func("proxy-from", "`addresses` of proxies, with commas between them, that send a header of the PROXY protocol", func(list string) error {
		trusted, err := handshake.ParseTrustedProxies(strings.Split(list, ",")...)
		c.server.Proxy.Trusted = trusted
		c.server.Proxy.Mode = handshake.ProxyFromTrusted
		return err
	})
	flags.BoolVar(&c.proxied, "proxy-only", false, "accept nobody but the proxies of -proxy-from")
}

// checkSecure says what is wrong with these flags, if anything, and reads the certificate.
func (c *serveConfig) checkSecure() (wrong string) {
	if c.proxied {
		c.server.Proxy.Mode = handshake.ProxyRequired
	}
	switch {
	case (c.pair.Certificate == "") != (c.pair.Key == ""):
		return "-tls-cert and -tls-key go together"
	case c.reloads <= 0:
		return "-tls-reload is not above zero"
	case c.proxied && c.server.Proxy.Trusted.IsEmpty():
		return "-proxy-only without -proxy-from"
	case c.driver != "native" && (c.pair.Certificate != "" || c.server.Proxy.Mode != handshake.ProxyOff):
		return "-tls-cert and -proxy-from need -driver native"
	case c.pair.Certificate == "":
		return ""
	}
	certificates, err := tlsdriver.LoadCertificates(c.pair)
	if err != nil {
		return err.Error()
	}
	c.certificates = certificates
	c.server.TLSConfig = &tls.Config{GetCertificate: certificates.Get}
	return ""
}

// reload reads the certificate again whenever it changes, until stop is called.
func (c *serveConfig) reload() (stop func()) {
	ticker, done := time.NewTicker(c.reloads), make(chan struct{})
	go func() {
		for {
			select {
			case <-ticker.C:
				if changed, err := c.certificates.Reload(); err != nil {
					slog.Error("wsloop: the certificate stays as it was", slog.Any("error", err))
				} else if changed {
					slog.Info("wsloop: another certificate")
				}
			case <-done:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(done)
	}
}
