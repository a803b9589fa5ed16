package engine

import "errors"

var (
	// ErrClosed reports that the connection is gone, or that its closing handshake
	// has begun and nothing more can be sent.
	ErrClosed = errors.New("engine: connection is closed")
	// ErrBufferFull reports that a message was refused because too much waits to
	// be sent (Server.MaxBufferedBytes). Nothing of it was sent.
	ErrBufferFull = errors.New("engine: too many bytes wait to be sent")
	// ErrTooSlow reports that the connection was closed because too much waits to be sent
	// (OverflowClose). It is the reason of such connections too.
	ErrTooSlow = errors.New("engine: peer does not read fast enough")
	// ErrMemory reports that the server's memory budget is used up (Server.MaxMemoryBytes). From
	// Send it means that the message was refused; from Subscribe, that subscriptions take as much as they may; as the reason of
	// a connection, that it was closed because it held much, or needed more.
	ErrMemory = errors.New("engine: memory budget is used up")
	// ErrRate is the reason of connections that exceeded a rate (RateClose).
	ErrRate = errors.New("engine: peer sends too fast")
	// ErrTooMany is the reason of connections for which there was no place (Server.MaxConnections).
	ErrTooMany = errors.New("engine: too many connections")
	// ErrMessageOpen reports that the connection is sending a message through a
	// MessageWriter, so that another message cannot begin.
	ErrMessageOpen = errors.New("engine: a message is being sent in fragments")
	// ErrOpcode reports an opcode that the call cannot send.
	ErrOpcode = errors.New("engine: opcode is neither text nor binary")
	// ErrControlTooLong reports a control frame of more than 125 bytes
	// (RFC 6455 section 5.5).
	ErrControlTooLong = errors.New("engine: control frame longer than 125 bytes")
	// ErrServerClosed is returned by Serve after Shutdown or Close.
	ErrServerClosed = errors.New("engine: server closed")
	// ErrTimeout is the reason of connections that a deadline ended: a *TimeoutError says which.
	ErrTimeout = errors.New("engine: deadline passed")
	// ErrAborted is the reason of connections that Conn.Abort ended.
	ErrAborted = errors.New("engine: connection aborted")
	// ErrPanic is the reason of connections that a panic in a callback ended.
	ErrPanic = errors.New("engine: panic in a callback")
	// errProtocols refuses a handshake whose subprotocol finds no number.
	errProtocols = errors.New("engine: more than 255 subprotocols agreed")
	// errOverflows refuses a policy that finds no number.
	errOverflows = errors.New("engine: more than 255 different overflow policies")
)
