package generator

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// script writes a program that stands for a generator.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "generator")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestRun(t *testing.T) {
	c := C{Program: script(t, `echo "mode=ws args=$(echo "$@" | tr ' ' ,) port=$2 cost=12.5"`)}
	loop := Loop{Mode: "ws", Connections: 10, Outstanding: 2, Bytes: 5, Text: true, Seconds: 0.5, Warmup: 0.25}
	got, err := c.Run(within(t), 80, 7, loop)
	if want := map[string]float64{"port": 80, "cost": 12.5}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	want := "-m ws -c 10 -b 5 -t 0.5 -w 0.25 -o 2 -T"
	if got := strings.Join(loop.args(), " "); got != want {
		t.Errorf("%s, expected %s", got, want)
	}
	shrunk := Loop{Mode: "ws", Connections: 3, Bytes: 5, Outstanding: 1, Seconds: 1, Compressed: "file", Takeover: true}
	if got := strings.Join(shrunk.args(), " "); got != "-m ws -c 3 -z file -Z -t 1 -w 0 -o 1" {
		t.Error(got)
	}
	secure := Loop{Connections: 3, Bytes: 5, Outstanding: 1, Seconds: 1, Authority: "file"}
	if got := strings.Join(secure.args(), " "); got != "-c 3 -ca file -b 5 -t 1 -w 0 -o 1" {
		t.Error(got)
	}
	if got := strings.Join(Loop{Mode: "connect", Connections: 1, Seconds: 1}.args(), " "); got != "-m connect -c 1 -b 0 -t 1 -w 0" {
		t.Error(got)
	}
}

func TestRunFails(t *testing.T) {
	for _, text := range []string{"exit 1", "true", "echo not a result"} {
		if got, err := (C{Program: script(t, text)}).Run(within(t), 80, 7, Loop{}); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
	if _, err := (C{Program: "/does/not/exist"}).Run(within(t), 80, 7, Loop{}); err == nil {
		t.Error("a generator that is not there")
	}
}

func TestParseLeavesOutWhatIsNoNumber(t *testing.T) {
	got, err := parse("a=1 b=NaN c=inf d=x e=-2")
	if want := map[string]float64{"a": 1, "e": -2}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestHold(t *testing.T) {
	c := C{Program: script(t, `echo "open 3"; while read -r line; do echo "${line}ed 3"; done`)}
	h, err := c.Hold(within(t), 80, Loop{Mode: "raw", Connections: 3, Bytes: 125})
	if err != nil {
		t.Fatal(err)
	}
	defer h.End()
	for range 2 {
		if err := h.Echo(within(t)); err != nil {
			t.Error(err)
		}
	}
	h.End()
	if err := h.Echo(within(t)); err == nil {
		t.Error("what ended echoes")
	}
}

func TestHoldFails(t *testing.T) {
	for _, text := range []string{"echo open 2", "exit 1"} {
		if h, err := (C{Program: script(t, text)}).Hold(within(t), 80, Loop{Mode: "ws", Connections: 3}); err == nil {
			t.Errorf("%s: %v", text, h)
		}
	}
	if _, err := (C{Program: "/does/not/exist"}).Hold(within(t), 80, Loop{Mode: "ws", Connections: 3}); err == nil {
		t.Error("a generator that is not there")
	}
}

const report = `{"errors":{},"generator":{"warnings":["late"]},"figures":{"p50":{"value":5,"unit":"ns"},"lost":{"value":0}}}`

// saving is a script that writes a report to the file after -json.
func saving(text string) string {
	return `while [ "$1" != -json ]; do shift; done; echo '` + text + `' > "$2"`
}

func TestWsloop(t *testing.T) {
	w := Wsloop{Program: script(t, saving(report)), Work: t.TempDir()}
	figures, cpu, warnings, err := w.Run(within(t), 80, 7, Pace{})
	if err != nil || figures["p50"] != 5 || cpu < 0 || len(warnings) != 1 {
		t.Errorf("%v, %v, %v, %v", figures, cpu, warnings, err)
	}
	if left, _ := os.ReadDir(w.Work); len(left) > 0 {
		t.Error("the report was left behind")
	}
	pace := Pace{Connections: 10, Bytes: 5, Text: true, Rate: 1234, Seconds: 0.5, Warmup: 1}
	want := "-c 10 -size 5 -rate 1234 -duration 500ms -warmup 1s -text"
	if got := strings.Join(pace.args(), " "); got != want {
		t.Errorf("%s, expected %s", got, want)
	}
}

func TestWsloopFails(t *testing.T) {
	for name, text := range map[string]string{
		"status":    "exit 1",
		"no report": "true",
		"no JSON":   saving("sorry"),
		"errors":    saving(`{"errors":{"timeout":2},"figures":{"errors":{"value":2}}}`),
		"lost":      saving(`{"figures":{"lost":{"value":1}}}`),
		"failed":    saving(`{"figures":{"failed":{"value":1}}}`),
	} {
		w := Wsloop{Program: script(t, text), Work: t.TempDir()}
		if figures, _, _, err := w.Run(within(t), 80, 7, Pace{}); err == nil {
			t.Errorf("%s: %v", name, figures)
		}
	}
	if _, _, _, err := (Wsloop{Program: "/does/not/exist"}).Run(within(t), 80, 7, Pace{}); err == nil {
		t.Error("a generator that is not there")
	}
}
