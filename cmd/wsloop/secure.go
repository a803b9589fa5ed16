package main

import (
	"crypto/tls"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
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
	flags.Func("forwarded-from", "`addresses` of proxies, with commas between them, that name the client in a field of the request", func(list string) (err error) {
		c.server.Forwarding.Trusted, err = handshake.ParseTrustedProxies(strings.Split(list, ",")...)
		return err
	})
	flags.StringVar(&c.server.Forwarding.Field, "forwarded-field", "", "`name` of that field, which those proxies must write (default "+handshake.DefaultForwardedField+")")
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
	case c.server.Forwarding.Field != "" && c.server.Forwarding.Trusted.IsEmpty():
		return "-forwarded-field without -forwarded-from"
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

// reload reads the certificate again whenever it changes, until stop is called. A manager that listens asks for it by
// SIGHUP. To a terminal that signal says that it is gone, so otherwise it ends the process as ever.
func (c *serveConfig) reload() (stop func()) {
	ticker, done, hangups := time.NewTicker(c.reloads), make(chan struct{}), make(chan os.Signal, 1)
	if c.manager.listens {
		signal.Notify(hangups, syscall.SIGHUP)
	}
	go func() {
		for {
			select {
			case <-ticker.C:
				c.readCertificate()
			case <-hangups:
				c.manager.reloading()
				c.readCertificate()
				c.manager.ready()
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		ticker.Stop()
		close(done)
	}
}

func (c *serveConfig) readCertificate() {
	if changed, err := c.certificates.Reload(); err != nil {
		slog.Error("wsloop: the certificate stays as it was", slog.Any("error", err))
	} else if changed {
		slog.Info("wsloop: another certificate")
	}
}
