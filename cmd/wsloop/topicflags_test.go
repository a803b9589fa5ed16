package main

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// The topics of flags stand in the order in which patterns first come.
func TestTopicFlags(t *testing.T) {
	c, err := parseServe(strings.Fields("-mode topics -retain a.> -conflate b -retain c -conflate a.> -max-retained 5 -max-subscriptions 6 -max-wildcard-tokens 7"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := []engine.Topic{{Pattern: "a.>", Retain: true, Conflate: true}, {Pattern: "b", Conflate: true}, {Pattern: "c", Retain: true}}
	if s := &c.server; !reflect.DeepEqual(s.Topics, want) || s.MaxRetainedBytes != 5 || s.MaxSubscriptions != 6 || s.MaxWildcardTokens != 7 || s.BridgeGap == nil {
		t.Errorf("%+v, %d, %d", s.Topics, s.MaxRetainedBytes, s.MaxSubscriptions)
	}
	if c, err = parseServe(nil, io.Discard); err != nil || c.server.Topics != nil || c.server.MaxSubscriptions != engine.DefaultMaxSubscriptions ||
		c.server.MaxRetainedBytes != 0 || c.server.MaxWildcardTokens != engine.DefaultMaxWildcardTokens {
		t.Errorf("no flags: %+v, %v", c, err)
	}
}

// What would be without effect is refused.
func TestTopicFlagsElsewhere(t *testing.T) {
	for _, args := range []string{"-retain a", "-mode broadcast -conflate everybody", "-mode discard -retain >"} {
		var told strings.Builder
		if _, err := parseServe(strings.Fields(args), &told); !errors.Is(err, errUsage) || !strings.Contains(told.String(), "-mode topics") {
			t.Errorf("%s: %v, %q", args, err, told.String())
		}
	}
}

func TestTopicsMode(t *testing.T) {
	t.Parallel()
	for _, driver := range driverNames {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			p := start(t, "-addr", "127.0.0.1:0", "-mode", "topics", "-loops", "2", "-driver", driver, "-retain", "kept.*", "-max-subscriptions", "1")
			a, b := p.open().upgraded(), p.open().upgraded()
			a.send(codec.OpcodeText, `{"type":"subscribe","topic":"a.*","id":1}`)
			a.expect(codec.OpcodeText, `{"type":"done","id":1}`)
			b.send(codec.OpcodeText, `{"type":"publish","topic":"a.b","data":"hello"}`)
			b.expect(codec.OpcodeText, `{"type":"done","sent":1,"queued":0,"dropped":0}`)
			a.expect(codec.OpcodeText, `{"type":"message","topic":"a.b","data":"hello"}`)
			a.send(codec.OpcodeText, `{"type":"subscribe","topic":"b"}`)
			a.expect(codec.OpcodeText, `{"type":"error","error":"topic: too many subscriptions"}`)
			a.send(codec.OpcodeText, `{"type":"publish","topic":"kept.x","data":1}`)
			a.expect(codec.OpcodeText, `{"type":"done","sent":0,"queued":0,"dropped":0}`)
			b.send(codec.OpcodeText, `{"type":"subscribe","topic":"kept.x"}`)
			b.expect(codec.OpcodeText, `{"type":"message","topic":"kept.x","data":1}`)
			b.expect(codec.OpcodeText, `{"type":"done"}`)
			b.send(codec.OpcodeText, `{"type":"watch","topic":"kept.x"}`)
			b.expect(codec.OpcodeText, `{"type":"done"}`)
			b.expect(codec.OpcodeText, `{"type":"count","topic":"kept.x","subscribers":1}`)
			testTopicsPage(t, p)
			p.signal(syscall.SIGTERM)
			for _, c := range []*peer{a, b} {
				c.expect(codec.OpcodeClose, goingAway)
				c.send(codec.OpcodeClose, goingAway)
				c.expectEnd()
			}
			if status, _, stderr := p.exit(); status != 0 {
				t.Errorf("exit %d: %s", status, stderr)
			}
		})
	}
}

func testTopicsPage(t *testing.T, p *process) {
	t.Helper()
	response, err := http.Get("http://" + p.addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(body), "<title>wsloop topics</title>") {
		t.Errorf("%v: %.200s", err, body)
	}
}
