//go:build !linux

package systemd

// Sockets gives none: there is no systemd.
func Sockets() ([]Socket, error) { return nil, nil }

// NewNotifier gives one that does nothing.
func NewNotifier() (*Notifier, error) { return new(Notifier), nil }

// Ready does nothing.
func (n *Notifier) Ready() error { return nil }

// Reloading does nothing.
func (n *Notifier) Reloading() error { return nil }

// Stopping does nothing.
func (n *Notifier) Stopping() error { return nil }

// Status does nothing.
func (n *Notifier) Status(string) error { return nil }

// Alive does nothing.
func (n *Notifier) Alive() error { return nil }
