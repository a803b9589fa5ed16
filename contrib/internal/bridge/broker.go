package bridge

import "context"

// Broker is how a Bridge reaches others. It belongs to the goroutine that talks.
type Broker interface {
	// Connect makes a link. ctx ends when the bridge gives up, and the link has to end with it.
	Connect(ctx context.Context) (Link, error)
}

// Link is a connection with a broker. Its methods are called by one goroutine.
type Link interface {
	// Do sends a round, waits until the broker has confirmed all of it, and notes what became of each part. An empty one asks
	// whether the broker is there. An error ends the link. It returns once ctx is done.
	Do(ctx context.Context, r *Round) error
	// Gone is closed when the link has ended on its own.
	Gone() <-chan struct{}
	// Reason is why it has.
	Reason() error
	// Close ends it without waiting for the broker. Nothing is brought to Bridge.Receive once it has returned.
	Close()
}

// Round is what is sent before the broker has to confirm. Subscriptions come first.
type Round struct {
	Changes  []Change
	Messages []Message
}

// Change is a pattern that connections of this server begin to want, or do not want any more.
type Change struct {
	Pattern string
	Wanted  bool
	Refused error // set by Link.Do
}

// Message is one for other servers.
type Message struct {
	Name string // of the topic
	Data []byte // an envelope and the payload; it does not change any more
	Fate Fate   // set by Link.Do
}

// Fate is what became of a message.
type Fate uint8

const (
	Missed      Fate = iota // was not sent
	Unconfirmed             // may have been sent
	Carried                 // the broker has confirmed it
	Unsendable              // refused by the broker, or what stands before it
)

const (
	// A round takes no more than this: it has to be confirmed in time.
	roundPatterns = 1024
	roundBytes    = 256 << 10
	// messageOverhead is what a queued message takes besides its name and data, about.
	messageOverhead = 64
)
