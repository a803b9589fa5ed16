// Package payload makes messages that look like those of a real service, and compresses them as a browser does, for
// the load generator in C, which cannot.
package payload
