package gnetdriver

import (
	"fmt"
	"log/slog"
)

// logger passes on what gnet reports, if it is of interest to users.
type logger struct{ to *slog.Logger }

func (logger) Debugf(string, ...any) {}

func (logger) Infof(string, ...any) {}

// Warnf tells of events of connections that were closed just before, which is as it should be.
func (logger) Warnf(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	if l.to != nil {
		l.to.Error("gnet: " + fmt.Sprintf(format, args...))
	}
}

// Fatalf reports only: no library ends the process.
func (l logger) Fatalf(format string, args ...any) { l.Errorf(format, args...) }
