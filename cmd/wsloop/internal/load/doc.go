// Package load makes load for a WebSocket server, on the engine, and measures what becomes of it.
//
//	Config   what is asked for; it can be sent to another process as JSON
//	Worker   runs a Config, or a Share of one, in this process, phase by phase
//	lane     one event loop of a worker, its connections and what it counted
//	client   one connection: 64 bytes, and a fifo of times once it sends
//	pacer    sends what is due, in an open loop
//	Run      a whole run in this process, with its status lines
//
// A time is an int64 of nanoseconds since the worker began, on the monotonic clock. A message is due when the schedule
// says so. It is sent then or later, and its latency counts from when it was due; from when
// it was sent, or the answer before it came on the same connection, it is called uncorrected.
//
// What a lane and its clients hold is guarded by the lane's lock. It is taken once per message, and a message is
// sent while it is held, so that the times in a fifo have the order of the messages on the wire.
package load
