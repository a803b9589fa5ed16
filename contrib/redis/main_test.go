package redis

import (
	"testing"

	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
)

// TestMain fails the run when a bridge left a goroutine behind.
func TestMain(m *testing.M) { bridgetest.Main(m, "wsloop/", "rueidis") }
