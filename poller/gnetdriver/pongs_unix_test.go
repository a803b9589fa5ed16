//go:build unix && !gnetgate

package gnetdriver_test

// pongsInTurn says that pongs keep their places among messages: nothing waits while the socket has room.
const pongsInTurn = true
