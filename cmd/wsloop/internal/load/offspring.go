package load

import (
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/report"
)

// child is a process that runs a share, as its parent sees it.
type child struct {
	cmd   *exec.Cmd
	in    io.WriteCloser // closed, it ends the child
	share Config
	start time.Time

	open      int64 // connections
	connected bool  // all attempts have come to their end
	measured  bool  // its measurement is over
	series    []report.Second
	report    *report.Report
	failure   string // why there is no report, in its own words
	ended     bool
	exit      error // of an end that is not exit status 0
}

// event is a note of a child, or its end.
type event struct {
	child *child
	note  note
	ended bool
	exit  error
}

// start starts a child and gives it its share. Its events come until its end, so they have to be taken.
func (p *parent) start(cmd *exec.Cmd, share Config) error {
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	line, err := json.Marshal(share)
	if err != nil {
		return err
	}
	c := &child{cmd: cmd, in: in, share: share, start: time.Now()}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.children = append(p.children, c)
	go c.follow(out, p.events)
	_, _ = in.Write(append(line, '\n')) // a child that cannot be told has ended
	return nil
}

// follow passes on what the child notes, and then its end.
func (c *child) follow(from io.Reader, events chan<- event) {
	decoder := json.NewDecoder(from)
	for {
		e := event{child: c}
		if decoder.Decode(&e.note) != nil {
			break
		}
		events <- e
	}
	_, _ = io.Copy(io.Discard, from) // a child that does not speak our language is not to wait for us
	events <- event{child: c, ended: true, exit: c.cmd.Wait()}
}

// take keeps a second, for the case that no report follows.
func (c *child) take(s *Sample) {
	c.open = int64(s.Open)
	c.series = append(c.series, s.Second)
}

// cause says why a child that has ended left no report; it is empty if there is one.
func (c *child) cause() string {
	switch {
	case c.report != nil:
		return ""
	case c.failure != "":
		return c.failure
	case c.exit == nil:
		return "a process of the generator ended early"
	}
	return fmt.Sprintf("a process of the generator ended early (%v)", c.exit)
}

// found is the report of the child, or what is known of one that left none: its seconds, and that its connections were lost.
func (c *child) found() *report.Report {
	if c.report != nil {
		return c.report
	}
	r := report.New(nil, c.start)
	r.Settings = c.share.settings()
	r.Series = c.series
	r.Errors = map[string]uint64{c.cause(): 1}
	for _, s := range c.series {
		r.Connect.Opened += s.Connects
		r.Connect.Reached = max(r.Connect.Reached, s.Open)
	}
	open := uint64(max(c.open, 0))
	r.Connect.Opened, r.Connect.Reached = max(r.Connect.Opened, open), max(r.Connect.Reached, open)
	r.Connect.Attempted, r.Connect.Lost = r.Connect.Opened, open
	if n := len(c.series); n > 0 {
		r.Duration = time.Duration(c.series[n-1].T+1) * time.Second
	}
	return r
}
