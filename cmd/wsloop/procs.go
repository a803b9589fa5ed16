package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"strings"
	"time"

	"github.com/wsloop/wsloop/engine"
)

// errStart says that a child could not serve even once, so that another would not either.
var errStart = errors.New("a process ended before it could serve")

// parent runs the server in children, which share its port by SO_REUSEPORT, and reports as one server. It serves
// nobody itself. Each child has a listening socket of its own that the parent holds as well: what waits there
// while a child is being replaced is not lost. All fields belong to the goroutine of run.
type parent struct {
	config         *serveConfig
	args           []string // of serve
	executable     string
	stdout, stderr io.Writer // stderr is the children's too

	addr      net.Addr
	listeners []*os.File
	children  []*child // by listener; nil while there is none
	events    chan event

	past     engine.Stats // what the children that have ended had counted
	serving  bool         // all children have served at once
	draining bool
	told     string // the last line about the children
	left     int64  // connections, when that was last printed during the drain
	failure  error  // the first that makes the exit status 1
}

// serveProcs is serve in processes of its own.
func serveProcs(config *serveConfig, args []string, signals <-chan os.Signal, stdout, stderr io.Writer) error {
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	p := newParent(config, args, executable, stdout, stderr)
	if err := p.listen(); err != nil {
		return err
	}
	return p.run(signals)
}

func newParent(config *serveConfig, args []string, executable string, stdout, stderr io.Writer) *parent {
	return &parent{
		config: config, args: args, executable: executable, stdout: stdout, stderr: stderr,
		children: make([]*child, config.procs), events: make(chan event), left: math.MaxInt64,
	}
}

// listen opens a listener for each child. SO_REUSEPORT alone would share the port with any other server that sets
// it, so a listener without it is tried first, which also checks the configuration of the children.
func (p *parent) listen() error {
	server := &p.config.server
	server.ReusePort = false
	probe, err := server.Listen("tcp", server.Addr)
	if err != nil {
		return err
	}
	probe[0].Close()
	server.ReusePort, server.Loops = true, p.config.procs
	listeners, err := server.Listen("tcp", server.Addr)
	if err != nil {
		return err
	}
	p.addr = listeners[0].Addr()
	for _, ln := range listeners {
		f, fault := ln.(*net.TCPListener).File()
		err = errors.Join(err, fault)
		p.listeners = append(p.listeners, f)
		ln.Close()
	}
	if err != nil {
		p.closeListeners()
	}
	return err
}

// closeListeners tells the kernel that the parent needs them no more: each ends when its child closes it.
func (p *parent) closeListeners() {
	for _, f := range p.listeners {
		f.Close() // nil if it was not to be had
	}
}

// run starts the children, and returns when all have ended after a signal or because they cannot be started.
func (p *parent) run(signals <-chan os.Signal) error {
	beat, stopBeat := every(time.Second)
	defer stopBeat()
	stats, stopStats := every(p.config.stats)
	defer stopStats()
	for i := range p.children {
		if err := p.start(i); err != nil {
			p.giveUp(err)
			break
		}
	}
	for !p.draining || p.running() > 0 {
		select {
		case s := <-signals:
			p.signaled(s)
		case e := <-p.events:
			p.handle(e)
		case <-beat:
			p.beat()
		case <-stats:
			if p.serving { // the address comes first
				printStats(p.stdout, p.sum())
			}
		}
	}
	if p.failure == nil && p.left > 0 {
		fmt.Fprintln(p.stdout, "wsloop: 0 connections left")
	}
	return p.failure
}

// signaled has the children drain, and ends them at the second signal.
func (p *parent) signaled(s os.Signal) {
	if !p.draining {
		fmt.Fprintf(p.stdout, "wsloop: %v: closing %d connections\n", s, p.sum().Connections)
		p.drain()
		return
	}
	p.fail(errSecondSignal)
	for _, c := range p.children {
		if c != nil {
			_ = c.cmd.Process.Kill() // an error says that it has ended
		}
	}
}

// drain lets the children go.
func (p *parent) drain() {
	p.draining = true
	p.config.manager.stopping()
	p.closeListeners()
	for _, c := range p.children {
		if c != nil {
			c.hold.Close()
		}
	}
}

// giveUp ends a server that cannot start.
func (p *parent) giveUp(err error) {
	p.fail(err)
	if !p.draining {
		p.drain()
	}
}

func (p *parent) fail(err error) {
	if p.failure == nil {
		p.failure = err
	}
}

// handle takes a report of a child, or its end.
func (p *parent) handle(e event) {
	c := e.child
	if !e.ended {
		c.stats, c.serving = e.stats, true
		p.tell()
		return
	}
	c.hold.Close()
	p.children[c.slot] = nil
	addStats(&p.past, counted(c.stats))
	switch {
	case p.draining:
		if e.err != nil {
			p.fail(fmt.Errorf("process %d: %w", c.pid(), e.err))
		}
	case !p.serving:
		p.giveUp(fmt.Errorf("process %d: %w", c.pid(), errStart))
	default:
		fmt.Fprintf(p.stderr, "wsloop: process %d ended (%v): starting another\n", c.pid(), c.cmd.ProcessState)
	}
}

// beat is called once a second. It replaces one child, so that children that end at once do not keep the machine busy.
func (p *parent) beat() {
	if p.draining {
		p.left = min(p.left, p.sum().Connections)
		fmt.Fprintf(p.stdout, "wsloop: %d connections left\n", p.left)
		return
	}
	for i, c := range p.children {
		if c != nil {
			continue
		}
		if err := p.start(i); err != nil {
			fmt.Fprintln(p.stderr, "wsloop:", err)
		}
		return
	}
}

// tell prints what serves, once all children do and whenever that has changed.
func (p *parent) tell() {
	pids := make([]string, 0, len(p.children))
	for _, c := range p.children {
		if c == nil || !c.serving {
			return
		}
		pids = append(pids, fmt.Sprint(c.pid()))
	}
	if !p.serving {
		p.serving = true
		announce(p.stdout, p.config, p.addr)
		p.config.manager.ready()
	}
	line := fmt.Sprintf("wsloop: %d processes, pids %s", len(pids), strings.Join(pids, " "))
	if p.config.server.MaxConnections != engine.Unlimited {
		line += fmt.Sprintf("; at most %d connections", p.sum().MaxConnections)
	}
	if line != p.told && !p.draining {
		p.told = line
		fmt.Fprintln(p.stdout, line)
	}
}

// running is how many children there are.
func (p *parent) running() (n int) {
	for _, c := range p.children {
		if c != nil {
			n++
		}
	}
	return n
}

// sum is what all children have seen, by their last reports.
func (p *parent) sum() engine.Stats {
	total := p.past
	for _, c := range p.children {
		if c != nil {
			addStats(&total, c.stats)
		}
	}
	return total
}
