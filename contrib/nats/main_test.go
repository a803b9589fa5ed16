package nats

import (
	"fmt"
	"os"
	"testing"

	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
)

// TestMain fails the run when a bridge left a goroutine behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := bridgetest.Leaks("wsloop/", "nats.go"); left != "" {
			fmt.Fprintln(os.Stderr, left)
			code = 1
		}
	}
	os.Exit(code)
}
