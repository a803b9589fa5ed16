package load

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/report"
)

// parent has children do a run, in step. Its fields belong to the goroutine of RunProcs.
type parent struct {
	config   Config
	children []*child
	events   chan event
	live     *Live

	second  Sample           // what the children did since the last line of status
	seconds int              // lines so far
	ticks   <-chan time.Time // of the lines
}

// RunProcs does a whole run in n processes, as Run does it in this one. newChild makes the command of one, which has to call
// RunChild with its standard input and output, and to ignore the signals that end the parent.
//
// A child that ends early is an error in the report, and one of RunProcs.
func RunProcs(ctx context.Context, c Config, n int, newChild func() *exec.Cmd, command []string, live *Live) (*report.Report, error) {
	servers, err := probe(c.ServerPIDs)
	if err != nil {
		return nil, err
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	p := &parent{config: c, events: make(chan event), live: live, ticks: ticker.C}
	for i := range n {
		if err := p.start(newChild(), c.Share(i, n)); err != nil {
			p.abandon()
			return nil, err
		}
	}
	err = p.run(ctx, servers)
	p.show()
	live.End()
	r, failed := p.report(command)
	if r == nil {
		return nil, failed
	}
	r.Servers = servers.found()
	if r.Connect.Opened == 0 {
		return r, errNoConnection
	}
	return r, errors.Join(failed, err)
}

// abandon ends all children, and waits for that.
func (p *parent) abandon() {
	for _, c := range p.children {
		c.in.Close()
	}
	p.await(context.Background(), p.ended)
}

// run goes through the phases. Its error is not that ctx has ended.
func (p *parent) run(ctx context.Context, servers probes) (err error) {
	p.await(ctx, p.connected)
	servers.noteMemory()
	if ctx.Err() == nil && (p.open() > 0 || p.config.Scenario == Churn) {
		p.say(wordMeasure)
		p.pass(ctx, p.config.Warmup)
		err = servers.begin()
		p.pass(ctx, p.config.Duration)
		p.say(wordDrain)
		p.await(context.WithoutCancel(ctx), p.measured) // what was due goes out first
		servers.end()
		servers.noteMemory()
	} else {
		p.say(wordDrain)
	}
	p.await(context.WithoutCancel(ctx), p.ended)
	return err
}

// await handles what comes until something is so, or ctx ends.
func (p *parent) await(ctx context.Context, so func() bool) {
	for !so() {
		select {
		case e := <-p.events:
			p.handle(e)
		case <-p.ticks:
			p.show()
		case <-ctx.Done():
			return
		}
	}
}

// pass handles what comes for a time. It ends early with ctx, and with the last child.
func (p *parent) pass(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	p.await(ctx, p.ended)
}

// handle takes a note of a child, or its end.
func (p *parent) handle(e event) {
	c := e.child
	switch {
	case e.ended:
		c.ended, c.exit = true, e.exit
		c.in.Close()
	case e.note.Sample != nil:
		p.second.add(e.note.Sample)
		c.take(e.note.Sample)
	case e.note.Open != nil:
		c.connected, c.open = true, *e.note.Open
	case e.note.Ended:
		c.measured = true
	default:
		c.report, c.failure = e.note.Report, e.note.Error
	}
}

// show writes the line of a second.
func (p *parent) show() {
	s := p.second
	p.second = Sample{}
	s.T, s.Open = p.seconds, uint64(p.open())
	p.seconds++
	p.live.Show(s)
}

// say gives all children a word. One that does not hear it has ended, which it tells itself.
func (p *parent) say(word string) {
	for _, c := range p.children {
		_, _ = fmt.Fprintln(c.in, word)
	}
}

// open is how many connections are open, by the last notes.
func (p *parent) open() (n int64) {
	for _, c := range p.children {
		if !c.ended {
			n += c.open
		}
	}
	return n
}

// connected says whether all children that live have come to the end of all attempts.
func (p *parent) connected() bool {
	for _, c := range p.children {
		if !c.connected && !c.ended {
			return false
		}
	}
	return true
}

// measured says whether no child measures.
func (p *parent) measured() bool {
	for _, c := range p.children {
		if !c.measured && !c.ended {
			return false
		}
	}
	return true
}

// ended says whether no child is left.
func (p *parent) ended() bool {
	for _, c := range p.children {
		if !c.ended {
			return false
		}
	}
	return true
}
