package proxydriver_test

import (
	"testing"

	"github.com/wsloop/wsloop/poller/pollertest"
)

func TestMain(m *testing.M) { pollertest.Main(m) }
