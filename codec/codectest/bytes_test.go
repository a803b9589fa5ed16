package codectest

import (
	"slices"
	"strings"
	"testing"
)

func TestBytes(t *testing.T) {
	for expr, want := range map[string]string{
		"":                             "",
		"81 05":                        "\x81\x05",
		"8105fF":                       "\x81\x05\xff",
		`"Hello\r\n"`:                  "Hello\r\n",
		`"\xff\u00e9"`:                 "\xff\u00e9",
		"61*3 62":                      "aaab",
		"6162*2":                       "abab",
		`"ab"*3`:                       "ababab",
		`"ab"*0`:                       "",
		"(01 (02)*2)*2":                "\x01\x02\x02\x01\x02\x02",
		`masked(37fa213d, "Hello")`:    "\x7f\x9f\x4d\x51\x58", // RFC 6455 section 5.7
		`masked(37 , "")`:              "error",
		`masked(00000001, 00*5)`:       "\x00\x00\x00\x01\x00",
		`masked(01010101,"a")*2`:       "``",
		`masked(ff000000, masked(0000`: "error",
		`"ab`:                          "error",
		"8":                            "error",
		"xy":                           "error",
		"61*":                          "error",
		"61*x":                         "error",
		"(61":                          "error",
		"61)":                          "error",
		"61*999999999":                 "error",
		"(61*65536)*65536":             "error",
		strings.Repeat("(", 100):       "error",
	} {
		got, err := Bytes(expr)
		if want == "error" {
			if err == nil {
				t.Errorf("%q gave %q, want an error", expr, got)
			}
			continue
		}
		if err != nil || string(got) != want {
			t.Errorf("%q gave %q, %v; want %q", expr, got, err, want)
		}
	}
}

func FuzzBytes(f *testing.F) {
	f.Add(`81 "a"*3 masked(37fa213d, (00)*2)`)
	f.Fuzz(func(t *testing.T, expr string) {
		if strings.Count(expr, "*") > 1 {
			return // repetitions of repetitions only cost time
		}
		b, err := Bytes(expr)
		again, errAgain := Bytes("(" + expr + ")")
		if err == nil && (errAgain != nil || !slices.Equal(b, again)) {
			t.Errorf("%q gave %x, in parentheses %x, %v", expr, b, again, errAgain)
		}
	})
}
