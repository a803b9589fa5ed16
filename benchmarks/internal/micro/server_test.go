package micro

import (
	"os"
	"strings"
	"testing"
)

func TestStartServer(t *testing.T) {
	for play, want := range map[string]string{
		"counts":          "",
		"ends":            "the server ended",
		"no address":      `"hello" is no address`,
		"garbled":         `"many": invalid character`,
		"ends when asked": "the server ended",
	} {
		t.Run(play, func(t *testing.T) {
			t.Setenv(impostor, play)
			s, err := startServer(t.Context(), os.Args[0])
			if err == nil {
				defer s.end()
				var c counts
				if c, err = s.count(); err == nil && c != (counts{1, 2, 3}) {
					t.Errorf("counts %+v", c)
				}
			}
			expect(t, err, want)
		})
	}
}

func TestStartServerFails(t *testing.T) {
	_, err := startServer(t.Context(), "/nowhere/server")
	expect(t, err, "/nowhere/server")
}

func TestCountOfTheDead(t *testing.T) {
	t.Setenv(impostor, "counts")
	s, err := startServer(t.Context(), os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	s.end()
	if _, err := s.count(); err == nil {
		t.Error("a process that has ended counts")
	}
}

// expect wants an error with this text, or none if it is empty.
func expect(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil && text != "" || err != nil && (text == "" || !strings.Contains(err.Error(), text)) {
		t.Errorf("error %v, want %q", err, text)
	}
}
