// Package nats joins the topics of servers over NATS: a message that is published on one reaches the subscribers of all.
//
//	bridge, err := nats.New(nats.Options{URL: "nats://10.0.0.5:4222"})
//	...
//	server := &engine.Server{Addr: ":8080", Events: events, Bridge: bridge}
//
// The names of topics are subjects of NATS behind a prefix, "wsloop." unless set: "prices.gold" is "wsloop.prices.gold". A
// server has one subscription at NATS for each pattern that its connections want, and receives nothing else.
//
// # Promises
//
// Subscribers on the same server do not depend on NATS: Publish and Interest take a mutex, put something into a queue, and return. One
// goroutine talks to NATS. Another receives, and a third hands over.
//
// A message comes to a server once, and those of one server in their order. Each carries the random number that its server has chosen
// as its origin, and a sequence number of that origin; what is not above the last of its origin is dropped. That is exact for duplicates,
// which NATS makes where several patterns match: they come one behind the other among the messages of an origin. What comes late, as may
// happen when the origin has moved to another server of a NATS cluster while messages were on their way, is dropped too, counted, and told
// as a gap: delivering it would break the order.
//
// Nothing is sent late. What is published while NATS cannot be reached is dropped and counted, because those who get it minutes later would
// take it for new, behind what they have fetched when their own gap was told. What NATS has confirmed is Stats.Carried; what
// was under way when the connection broke is Stats.Unconfirmed, and may have arrived or not:
//
//	published = Carried + Unconfirmed + Missed + Dropped + TooLong + Unsendable + Queued + those under way
//
// After an outage, once all subscriptions are confirmed again, BridgeReceiver.Gap is called: whatever is published from then on at the
// same NATS server arrives.
//
// # NATS
//
// One goroutine sends a batch, asks for a PONG, and goes on when it has come. With nothing to send it does so every Heartbeat. An answer
// that is missing for one and a half of these ends the connection, so that a partition in one direction, too, is noticed within three.
//
// Whoever may publish to the subjects of the prefix may speak for any server: give them to the servers only. Its limit for messages
// (max_payload) has to be EnvelopeBytes above Server.MaxMessageBytes for the longest to pass. It also bounds what one
// message from NATS can take of memory.
package nats
