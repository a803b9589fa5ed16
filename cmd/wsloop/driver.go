package main

import (
	"log/slog"
	"net"

	"github.com/wsloop/wsloop/poller/gnetdriver"
)

// driverNames are the values of -driver. native is what the engine takes by itself.
var driverNames = []string{"native", "gnet"}

// run serves over the driver that was chosen, until the server is closed.
func (c *serveConfig) run(listeners ...net.Listener) error {
	if c.certificates != nil {
		defer c.reload()()
		return c.server.ServeTLS("", "", listeners...)
	}
	if c.driver == "native" {
		return c.server.Serve(listeners...)
	}
	driver, err := gnetdriver.New(gnetdriver.Options{Loops: c.server.Loops, Logger: slog.Default()})
	if err != nil {
		for _, ln := range listeners {
			ln.Close()
		}
		return err
	}
	for _, ln := range listeners {
		if err := driver.AddListener(ln); err != nil {
			driver.Stop()
			return err
		}
	}
	err = c.server.ServeDriver(driver)
	driver.Stop() // closes the listeners of one that never served
	return err
}
