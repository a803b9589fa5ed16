// Package bridge is what contrib/nats and contrib/redis have in common: a Bridge is an engine.Bridge that reaches other servers over a
// Broker, which says how to connect, subscribe and publish.
//
// # Goroutines
//
// Publish and Interest take a mutex, put something into a queue, and return. One goroutine connects, and talks over one Link at a time:
// it sends a round, waits until the broker has confirmed it, and goes on. With nothing to send it sends an empty round
// every Heartbeat. A round that is not confirmed for one and a half of these ends the link. What arrives is brought to
// Receive by a goroutine of the link, which never waits there, and handed over by another one.
//
// # Once, and in order
//
// Each message carries the random number that its server has chosen as its origin, and a sequence number of that origin. What is not
// above the last of its origin is dropped. For duplicates that is exact where a broker sends all copies of a message before the
// next message of that origin. What comes late is dropped, counted, and told as a gap: delivering it would break the order.
//
// # Nothing late
//
// What is published while the broker cannot be reached is dropped and counted, because those who get it minutes later would take it
// for new, behind what they have fetched when their own gap was told. Each message that was published is counted once:
//
//	published = Carried + Unconfirmed + Missed + Dropped + TooLong + Unsendable + Queued + those under way
package bridge
