package load

import (
	"encoding/json"
	"io"
	"sync"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/report"
)

// The words that a parent writes to a child, each in a line of its own, behind the line with the child's Config.
const (
	wordMeasure = "measure" // begin to send, and measure after the warm-up
	wordDrain   = "drain"   // end that, wherever you are, and report
)

// A note is a line that a child writes to its parent: one of the fields is set.
type note struct {
	Sample *Sample        `json:"sample,omitempty"`
	Open   *int64         `json:"open,omitempty"`   // every attempt has come to its end, and so many connections are open
	Ended  bool           `json:"ended,omitempty"`  // the measurement is over
	Report *report.Report `json:"report,omitempty"` // the last note
	Error  string         `json:"error,omitempty"`  // why there is no run: the last note, too
}

// notes writes notes, from any goroutine.
type notes struct {
	mu sync.Mutex
	to *json.Encoder
}

func newNotes(to io.Writer) *notes { return &notes{to: json.NewEncoder(to)} }

func (n *notes) write(line note) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.to.Encode(line)
}
