//go:build !linux || gnetgate

package gnetdriver_test

const socketTells = false
