// Package pollertest holds every poller.Driver to the promises of package poller.
//
// Run is one suite for all drivers. The clients are plain connections of package
// net; the server is the driver with a Handler that checks, at every call, what
// must hold always: calls of one loop never overlap or nest, a connection begins
// with Open and ends with one Closed, nothing comes after Closed or while it must
// not. Each test adds its own behaviour by the functions of a behaviour.
//
// No test sleeps and none asserts a time. Waiting is bounded by one generous
// deadline, which only a hanging driver reaches.
//
// Main is for TestMain: it fails the run when goroutines or descriptors are left.
package pollertest
