package migration

import (
	"net"
	"net/http"
	"strings"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// gobwasServe is one connection of the zero-copy upgrade.
func gobwasServe(conn net.Conn) {
	defer conn.Close()
	var path, user string
	upgrader := ws.Upgrader{
		OnRequest: func(uri []byte) error {
			path, _, _ = strings.Cut(string(uri), "?")
			return nil
		},
		OnHeader: func(key, value []byte) error {
			if string(key) == "X-User" {
				user = string(value)
			}
			return nil
		},
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) {
			if user == "" {
				return nil, ws.RejectConnectionError(ws.RejectionStatus(http.StatusUnauthorized), ws.RejectionReason("who are you?"))
			}
			return ws.HandshakeHeaderHTTP{"X-Path": {path}}, nil
		},
	}
	if _, err := upgrader.Upgrade(conn); err != nil {
		return
	}
	for {
		payload, op, err := wsutil.ReadClientData(conn) // answers pings, and Close frames
		if err != nil {
			return
		}
		if err := wsutil.WriteServerMessage(conn, op, payload); err != nil {
			return
		}
	}
}
