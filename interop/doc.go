// Package interop runs WebSocket clients that others wrote against the engine. Its tests
// are the Go clients; README.md tells of the rest. matrix.json describes what every
// client does.
package interop
