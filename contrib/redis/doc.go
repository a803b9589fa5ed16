// Package redis joins the topics of servers over the pub/sub of Redis or Valkey: a message that is published on one reaches the
// subscribers of all.
//
//	bridge, err := redis.New(redis.Options{URL: "redis://10.0.0.5:6379"})
//	...
//	server := &engine.Server{Addr: ":8080", Events: events, Bridge: bridge}
//
// The names of topics are channels of Redis behind a prefix, "wsloop." unless set: "prices.gold" is "wsloop.prices.gold". A server
// subscribes to what its connections want: to a channel for a name (SUBSCRIBE), to a glob for a pattern (PSUBSCRIBE). In a glob `*` takes
// in dots, so that more may come than "prices.*" wants, such as "prices.gold.eu"; that is left out on arrival, and counted
// (Stats.Unwanted).
//
// # Promises
//
// They are those of contrib/nats. Subscribers on the same server do not depend on Redis, and neither Publish nor Interest waits for it.
// What waits is bounded. A message comes to a server once, and those of one server in their order. Nothing is sent late. After an outage
// BridgeReceiver.Gap is called, once all subscriptions are confirmed again: whatever is published from then on at the same Redis arrives.
// Each message that was published is counted once:
//
//	published = Carried + Unconfirmed + Missed + Dropped + TooLong + Unsendable + Queued + those under way
//
// # Once, and in order
//
// Redis carries out one command at a time, and PUBLISH puts all copies of a message that one subscriber gets, one for its channel and one
// for each glob, into that subscriber's output before anything else. A bridge publishes over one connection and subscribes over
// another. So the messages of one server come in its order, each with its copies directly behind it, and what is not above the last
// sequence number of its server is a copy, or late: that happens when a server has connected again, and Redis read what was under way on
// its old connection after what came on the new one. What is late is dropped, counted and told as a gap.
//
// Redis sends what a server has published back to it if it subscribes to that; its own number tells, and it is dropped (Stats.Echoes).
//
// # Redis
//
// Version 6 or newer, because of RESP3; any version of Valkey. Names that clients choose become globs, which Redis compares with the name of
// every message: use 6.0.18, 6.2.11, 7.0.9 or newer, in which that takes no exponential time. PUBLISH takes as long as there are
// different globs on all servers: for very many patterns with wildcards NATS is the better broker.
//
// Redis closes the connection of a subscriber that it has more to send to than its client-output-buffer-limit for pubsub, 32 MiB at once
// or 8 MiB for a minute unless set. That is an outage, with a gap. A message from Redis takes as much memory as it has bytes,
// proto-max-bulk-len at most, 512 MiB unless set.
//
// Whoever may publish to the channels of the prefix may speak for any server: give them to the servers only. The user needs the
// commands PUBLISH, SUBSCRIBE, PSUBSCRIBE, UNSUBSCRIBE, PUNSUBSCRIBE and PING, and all channels: an ACL for some allows globs only if
// they are in it letter by letter.
//
// Redis Cluster is supported as it carries PUBLISH to all of its nodes: give some of them in Options.URL, and each bridge uses one.
// Between nodes messages may be lost without a gap when they lose each other. Sharded pub/sub (SSUBSCRIBE) is not used, for it has no
// patterns. A replica outside of a cluster is refused, because what is published there stays there. Options.URL may name a master
// and its replicas: after a failover bridges find the new master among them, within a heartbeat and a pause. Sentinel is not asked.
package redis
