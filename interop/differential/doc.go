// Package differential gives the same bytes to this project's decoder and to those of gorilla/websocket and gobwas/ws, as
// servers, and compares what they make of them. Its only content is tests; disagreements_test.go lists where
// they differ on purpose.
package differential
