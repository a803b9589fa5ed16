// Package suite holds every bridge to a broker to the same promises.
//
// A Kind says how to run a broker and how to make a bridge to it. Its methods are the tests; a module with a bridge has a test for each of
// them. What only one broker can do is tested in its module.
//
// No test asserts a time. Waiting is bounded by bridgetest.Patience.
package suite
