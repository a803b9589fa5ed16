package nats

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
)

func TestOptions(t *testing.T) {
	const url = "nats://127.0.0.1:4222"
	for _, o := range []Options{
		{},
		{URL: "nats://"},
		{URL: "nats://a:b:c"},
		{URL: url + ",,"},
		{URL: url, Prefix: "wsloop"},
		{URL: url, Prefix: "a.*."},
		{URL: url, Prefix: "$SYS."},
		{URL: url, Heartbeat: -1},
		{URL: url, Client: []client.Option{func(*client.Options) error { return errors.New("no") }}},
		{URL: url, Client: []client.Option{client.InProcessServer(&server.Server{})}},
	} {
		if _, err := New(o); err == nil || !strings.HasPrefix(err.Error(), "nats: ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	good := Options{URL: "127.0.0.1, nats://me:secret@[::1]:4333", Prefix: "eu.wsloop.", MaxBackoff: time.Hour, Client: []client.Option{nil}}
	b, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	o, err := good.connection()
	if err != nil || !slices.Equal(o.Servers, []string{"nats://127.0.0.1", "nats://me:secret@[::1]:4333"}) || o.User != "me" || o.Password != "secret" {
		t.Errorf("%q %q %q %v", o.Servers, o.User, o.Password, err)
	}
	if err := b.Publish("a", codec.OpcodeText, nil); err != ErrClosed {
		t.Errorf("before Open: %v", err)
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := b.Open(new(bridgetest.Recorder)); err == nil {
		t.Error("opened after Close")
	}
}
