package engine

import "github.com/wsloop/wsloop/poller"

// Dialing implements poller.Handler.
func (l *loop) Dialing(poller.Token, any) {}

// Connected implements poller.Handler.
func (l *loop) Connected(poller.Token) {}
