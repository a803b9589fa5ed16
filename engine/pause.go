package engine

import "github.com/wsloop/wsloop/poller"

// pauses are the reasons for which a connection is not read.
type pauses uint8

const (
	pauseInbox  pauses = 1 << iota // its inbox is full
	pauseRate                      // it exceeds a rate
	pauseMemory                    // the server is short of memory, and it holds much
)

// pause stops the reading of an open connection, for one more reason.
func (l *loop) pause(t poller.Token, s *session, why pauses) {
	if s.phase != phaseOpen {
		return
	}
	if s.pauses == 0 {
		l.driver.Pause(t)
	}
	s.pauses |= why
}

// resume takes one reason away.
func (l *loop) resume(t poller.Token, s *session, why pauses) {
	if s.pauses&why == 0 {
		return
	}
	if s.pauses&why&pauseMemory != 0 {
		l.starved--
	}
	s.pauses &^= why
	if s.pauses == 0 {
		// Nobody could be heard meanwhile.
		s.hear(l.wheel.now)
		s.spoke = l.wheel.now
		l.driver.Resume(t)
	}
}

// unpause takes all reasons away: past its open phase a connection is read for its Close
// frame and its end.
func (l *loop) unpause(t poller.Token, s *session) { l.resume(t, s, s.pauses) }
