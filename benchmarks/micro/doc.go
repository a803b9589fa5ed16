// Package micro has benchmarks of single steps beside those of other libraries: masking, receiving a message, and the
// opening handshake. They are in its tests.
//
// Most libraries keep masking to themselves. The benchmarks of those are built with the tag exposed, which
// needs modules that have one function more: package internal/micro prepares them, and runs everything in rounds.
package micro
