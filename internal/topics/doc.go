// Package topics serves the topics of an engine.Server to clients that speak JSON: the protocol of `wsloop serve -mode topics`, which
// docs/topics-protocol.md describes, and the page to try it.
//
// Every text message of a client is one request, answered in order. A Service is only callbacks on the connections' loops, one lock for who
// watches counts, and a timer while counts have changed. It keeps the names that a connection watches, at most as many as
// it may have subscriptions, and nothing else of it.
package topics
