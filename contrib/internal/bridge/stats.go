package bridge

import "sync/atomic"

// Stats count what a Bridge has done since it was opened.
type Stats struct {
	Ready       bool // see Bridge.Ready
	Wanted      int  // patterns that connections of this server want
	Subscribed  int  // patterns whose subscription the broker has confirmed
	Queued      int  // messages that wait to be sent
	QueuedBytes int  // their names, envelopes and payloads, and what it takes to queue them

	// What became of messages that were published here. Each is counted once.
	Carried     uint64 // the broker has confirmed them
	Unconfirmed uint64 // the connection broke before the broker confirmed them: they may have arrived
	Missed      uint64 // the broker was away, or the bridge was closed
	Dropped     uint64 // the oldest, because more were published than the broker took
	TooLong     uint64 // beyond Options.MaxMessageBytes or Bridge.Limit
	Unsendable  uint64 // refused by the broker

	// What became of messages that came. Each is counted once.
	Received   uint64 // delivered
	Unwanted   uint64 // a subscription takes in more than its pattern
	Duplicates uint64 // several subscriptions matched
	Late       uint64 // came behind younger ones of their server
	Echoes     uint64 // our own
	Refused    uint64 // not a valid envelope, too long, or refused by the server they were brought to
	Overrun    uint64 // the oldest, because more came than could be delivered

	Outages  uint64 // times that the broker could not be reached any more, or not at first
	Gaps     uint64 // times that Gap was called
	Failures uint64 // attempts to connect that failed
	Errors   uint64 // that the broker told, such as a lack of permission to subscribe
}

type counters struct {
	carried, unconfirmed, missed, dropped, tooLong, unsendable     atomic.Uint64
	received, unwanted, duplicates, late, echoes, refused, overrun atomic.Uint64
	outages, gaps, failures, errors                                atomic.Uint64
}

// Stats reads the counters. Any goroutine.
func (b *Bridge) Stats() Stats {
	c := &b.counters
	stats := Stats{
		Ready:       b.Ready(),
		Subscribed:  int(b.subscribed.Load()),
		Carried:     c.carried.Load(),
		Unconfirmed: c.unconfirmed.Load(),
		Missed:      c.missed.Load(),
		Dropped:     c.dropped.Load(),
		TooLong:     c.tooLong.Load(),
		Unsendable:  c.unsendable.Load(),
		Received:    c.received.Load(),
		Unwanted:    c.unwanted.Load(),
		Duplicates:  c.duplicates.Load(),
		Late:        c.late.Load(),
		Echoes:      c.echoes.Load(),
		Refused:     c.refused.Load(),
		Overrun:     c.overrun.Load(),
		Outages:     c.outages.Load(),
		Gaps:        c.gaps.Load(),
		Failures:    c.failures.Load(),
		Errors:      c.errors.Load(),
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	stats.Wanted, stats.Queued, stats.QueuedBytes = len(b.wanted), b.out.len(), b.out.bytes
	return stats
}
