package main

import (
	"errors"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/wsloop/wsloop/contrib/nats"
)

const (
	// maxPayload is what a message of NATS may have at most.
	maxPayload = 8 << 20
	// brokerTimeout is how long the embedded NATS may take to start.
	brokerTimeout = 10 * time.Second
)

// startBroker runs NATS in this process, for this node alone, or as a part of a cluster with the NATS servers of others.
func (c *config) startBroker() (*server.Server, error) {
	o := &server.Options{
		Host:       "127.0.0.1",
		Port:       c.natsPort,
		NoSigs:     true,
		NoLog:      true,
		MaxPayload: int32(c.maxMessage) + nats.EnvelopeBytes,
		Routes:     c.routes,
	}
	if o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	if c.clusterPort != 0 {
		o.Cluster = server.ClusterOpts{Name: "wsloop", Host: c.clusterHost, Port: c.clusterPort}
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, err
	}
	go s.Start()
	if !s.ReadyForConnections(brokerTimeout) {
		stopBroker(s)
		return nil, errors.New("the embedded NATS does not start: are its ports free?")
	}
	return s, nil
}

func stopBroker(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}
