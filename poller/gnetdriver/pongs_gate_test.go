//go:build windows || gnetgate

package gnetdriver_test

// pongsInTurn is false: all output waits for a moment, and a message that waits is overtaken by a pong, which may stand for
// several.
const pongsInTurn = false
