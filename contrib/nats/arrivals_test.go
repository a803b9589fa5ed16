package nats

import (
	"testing"

	client "github.com/nats-io/nats.go"

	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
)

// TestArrivals has more come than is taken: the socket is not read meanwhile, and what came before the end is given.
func TestArrivals(t *testing.T) {
	var a arrivals
	a.init()
	for range arrivalsHigh {
		a.messages <- new(client.Msg)
	}
	a.waitForRoom() // there is some
	a.messages <- new(client.Msg)
	read := make(chan struct{})
	go func() {
		a.waitForRoom()
		close(read)
	}()
	bridgetest.Eventually(t, "the reader waits", a.waiting.Load)
	select {
	case <-read:
		t.Error("read without room")
	default:
	}
	hold, taken := make(chan struct{}), 0
	go a.pass(func(*client.Msg) {
		<-hold
		taken++
	})
	<-read
	stopped := make(chan struct{})
	go func() {
		a.stop()
		close(stopped)
	}()
	close(hold)
	<-stopped
	if taken != arrivalsHigh+1 {
		t.Errorf("%d were taken", taken)
	}
}

// TestArrivalsStopped has the reader wait when the link ends.
func TestArrivalsStopped(t *testing.T) {
	var a arrivals
	a.init()
	for range arrivalsHigh + 1 {
		a.messages <- new(client.Msg)
	}
	read := make(chan struct{})
	go func() {
		a.waitForRoom()
		close(read)
	}()
	bridgetest.Eventually(t, "the reader waits", a.waiting.Load)
	close(a.stopped)
	<-read
	taken := 0
	a.pass(func(*client.Msg) { taken++ })
	if taken != arrivalsHigh+1 {
		t.Errorf("%d were taken", taken)
	}
}
