package route

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec/codectest"
)

func table(t testing.TB, patterns ...string) *Table {
	t.Helper()
	routes := new(Table)
	for want, pattern := range patterns {
		if i, err := routes.Add(pattern); i != want || err != nil {
			t.Fatalf("%s: %d, %v", pattern, i, err)
		}
	}
	return routes
}

func TestVectors(t *testing.T) {
	for _, c := range codectest.Load(t, "testdata") {
		t.Run(c.Name, func(t *testing.T) {
			patterns := strings.Fields(c.Options["patterns"])
			orders := [][]string{patterns, slices.Clone(patterns)}
			slices.Reverse(orders[1])
			for _, patterns := range orders {
				got := events(table(t, patterns...), []byte(c.Options["host"]), c.In)
				if !slices.Equal(got, c.Want) {
					t.Errorf("%s of %q: got %q, want %q", &c, patterns, got, c.Want)
				}
			}
		})
	}
}

func events(routes *Table, host, target []byte) (got []string) {
	i, values, ok := routes.Match(host, target)
	if !ok {
		if i != none || values.Len() != 0 {
			return []string{"no match, yet something is given"}
		}
		return []string{"none"}
	}
	got = append(got, `"`+routes.Pattern(i)+`"`)
	for i := range values.Len() {
		value := values.At(i)
		if again, ok := values.Get(values.Name(i)); !ok || string(again) != string(value) {
			return []string{"another value by name"}
		}
		got = append(got, fmt.Sprintf("%s %q", values.Name(i), value))
	}
	return got
}

func TestAddRefuses(t *testing.T) {
	for pattern, reason := range map[string]string{
		"":                  "no path",
		"chat":              "no path",
		"GET /chat":         "a GET",
		"/a b":              "blank",
		"/a\x00":            "blank",
		"/{x}/{x}":          "twice",
		"/{x}/{x...}":       "twice",
		"{x}.com/":          "wildcard",
		"{x}/a":             "wildcard",
		"a:80/":             "ports",
		"é.example/":        "not a name",
		"a_b!/":             "not a name",
		"/a{x}":             "whole segment",
		"/{x}a":             "whole segment",
		"/{x":               "whole segment",
		"/{":                "whole segment",
		"/{}":               "the name",
		"/{...}":            "the name",
		"/{1}":              "the name",
		"/{a-b}":            "the name",
		"/{a}{b}":           "the name",
		"/{x...}/a":         "at the end",
		"/{x...}/":          "at the end",
		"/{$}/":             "at the end",
		"/{$...}":           "the name",
		"//":                "no path",
		"/a//b":             "no path",
		"/.":                "no path",
		"/a/../b":           "no path",
		"/%2e%2E":           "no path",
		"/a%2fb":            "no path",
		"/%zz":              "no path",
		"/%":                "no path",
		"/a?b":              "queries",
		"/a#b":              "queries",
		"/taken":            `same paths as "/taken"`,
		"/%74aken":          `same paths as "/taken"`,
		"EXAMPLE.com/taken": `same paths as "example.com/taken"`,
		"/{a}/x":            `both match "/b/x"`,
		"/{name}":           "",
		"example.org/taken": "",
		"/ünï":              "",
		"/{ünï}/y/z":        "",
	} {
		routes := table(t, "/taken", "example.com/taken", "/b/{c}")
		i, err := routes.Add(pattern)
		if reason == "" {
			if i != 3 || err != nil {
				t.Errorf("%q: %d, %v", pattern, i, err)
			}
			continue
		}
		var fault *Error
		if i != none || !errors.As(err, &fault) || fault.Pattern != pattern || !strings.Contains(fault.Reason, reason) {
			t.Errorf("%q: %d, %v, want %q", pattern, i, err, reason)
		}
		if fault != nil && !strings.Contains(err.Error(), "route: pattern "+quote(pattern)+": ") {
			t.Errorf("%v", err)
		}
		if routes.Len() != 3 {
			t.Errorf("%q was refused, yet there are %d", pattern, routes.Len())
		}
	}
}

// Two patterns are refused where ServeMux refuses them, and the path that an error names
// is one that both match.
func TestConflictsAsServeMux(t *testing.T) {
	var patterns []string
	for _, host := range []string{"", "h"} {
		for _, first := range []string{"", "/a", "/b", "/{x}"} {
			for _, second := range []string{"", "/a", "/{y}"} {
				for _, last := range []string{"/", "/{$}", "/a", "/{z}", "/{z...}"} {
					patterns = append(patterns, host+first+second+last)
				}
			}
		}
	}
	both := 0
	for _, p := range patterns {
		for _, q := range patterns {
			routes := table(t, p)
			_, err := routes.Add(q)
			mux := http.NewServeMux()
			mux.Handle(p, http.NotFoundHandler())
			if refused := register(mux, q); (err != nil) != refused {
				t.Fatalf("%s and %s: %v, ServeMux refuses: %v", p, q, err, refused)
			}
			if err == nil {
				continue
			}
			if _, path, found := strings.Cut(err.Error(), "both match \""); found {
				both++
				path = path[:strings.IndexByte(path, '"')]
				for _, one := range []string{p, q} {
					if _, _, ok := table(t, one).Match([]byte("h"), []byte(path)); !ok {
						t.Fatalf("%v: %s does not match %s", err, one, path)
					}
				}
			}
		}
	}
	if both == 0 {
		t.Error("no two patterns overlap")
	}
}

// register reports whether the mux refuses pattern.
func register(mux *http.ServeMux, pattern string) (refused bool) {
	defer func() { refused = recover() != nil }()
	mux.Handle(pattern, http.NotFoundHandler())
	return false
}

func TestValues(t *testing.T) {
	var v Values
	if value, ok := v.Get("x"); ok || value != nil || v.Len() != 0 {
		t.Errorf("the zero value has %q", value)
	}
	target := []byte("/chat/lobby/rest")
	_, v, _ = table(t, "/chat/{room}/{$}", "/chat/{room}/{more}").Match(nil, target)
	if value, ok := v.Get("other"); ok || value != nil {
		t.Errorf("a name that does not occur has %q", value)
	}
	room := v.At(0)
	_ = append(room, "XXXX"...)
	if string(target) != "/chat/lobby/rest" {
		t.Errorf("appending to a value wrote over what follows: %s", target)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	routes := table(t, "/chat/{room}", "/chat/{room}/{$}", "/files/{path...}", "example.com/{x}/y", "/a/b/c/d")
	host := []byte("EXAMPLE.com:443")
	for target, want := range map[string]float64{
		"/chat/lobby?x": 0, "/ch%61t/lobby": 0, "/files/a/b": 0, "/z/y": 0, "/a/b/c/e": 0, "/a/../b": 0, "/chat/lobb%79": 2,
	} {
		target := []byte(target)
		if n := testing.AllocsPerRun(10, func() {
			if _, values, ok := routes.Match(host, target); ok && values.Len() > 0 {
				_, _ = values.At(0), values.Name(0)
				_, _ = values.Get("room")
			}
		}); n != want {
			t.Errorf("%s: %v allocations, want %v", target, n, want)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	routes := new(Table)
	for i := range 500 {
		if _, err := routes.Add(fmt.Sprintf("/service%d/{room}/events", i)); err != nil {
			b.Fatal(err)
		}
	}
	host, target := []byte("example.com"), []byte("/service321/lobby/events?token=abc")
	b.ReportAllocs()
	for b.Loop() {
		_, values, ok := routes.Match(host, target)
		if !ok || string(values.At(0)) != "lobby" {
			b.Fatal(ok)
		}
	}
}
