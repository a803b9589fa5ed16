//go:build !gnetgate

package gnetdriver_test

const socketTells = true
