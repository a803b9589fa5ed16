package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/wsloop/wsloop/engine"
)

// childCommand runs a child of serve -procs; it takes the same flags.
const childCommand = "serve-child"

// The descriptors that a child begins with, in the order of exec.Cmd.ExtraFiles.
const (
	listenerDescriptor = 3 + iota // its listening socket
	reportsDescriptor             // a pipe that it writes its engine.Stats to, as JSON
	holdDescriptor                // a pipe that ends when the child shall, or when the parent did
)

// reportInterval is the time between two reports of a child.
const reportInterval = time.Second

// child is a process that serves, as its parent sees it.
type child struct {
	slot    int // its place among the children
	cmd     *exec.Cmd
	hold    *os.File // the child drains when this is closed
	stats   engine.Stats
	serving bool // stats are there
}

// event is a report of a child, or its end.
type event struct {
	child *child
	stats engine.Stats
	ended bool
	err   error // of an end that is not exit status 0
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// start starts the child of a slot. Its events come until its end, so they have to be taken.
func (p *parent) start(slot int) error {
	reports, reportsEnd, err := os.Pipe()
	if err != nil {
		return err
	}
	holdEnd, hold, err := os.Pipe()
	if err != nil {
		reports.Close()
		reportsEnd.Close()
		return err
	}
	cmd := exec.Command(p.executable, append([]string{childCommand}, p.args...)...)
	cmd.Stderr = p.stderr
	cmd.ExtraFiles = []*os.File{p.listeners[slot], reportsEnd, holdEnd}
	err = cmd.Start()
	reportsEnd.Close()
	holdEnd.Close()
	if err != nil {
		reports.Close()
		hold.Close()
		return err
	}
	c := &child{slot: slot, cmd: cmd, hold: hold}
	p.children[slot] = c
	go c.follow(reports, p.events)
	return nil
}

// follow passes on what the child reports, and then its end.
func (c *child) follow(reports io.ReadCloser, events chan<- event) {
	defer reports.Close()
	decoder := json.NewDecoder(reports)
	for {
		e := event{child: c}
		if decoder.Decode(&e.stats) != nil {
			break
		}
		events <- e
	}
	events <- event{child: c, ended: true, err: c.cmd.Wait()}
}

// serveChild serves in a child until the pipe of its parent ends. Signals are the parent's affair: a terminal and
// service managers send them to all processes at once.
func serveChild(args []string, stderr io.Writer) error {
	signal.Ignore(syscall.SIGTERM, os.Interrupt)
	config, err := parseServe(args, stderr)
	if err != nil {
		return err
	}
	f := os.NewFile(listenerDescriptor, "listener")
	ln, err := net.FileListener(f)
	if err != nil {
		return fmt.Errorf("%s is what serve -procs runs, and for nothing else: %w", childCommand, err)
	}
	f.Close()
	return config.serveHeld(ln, os.NewFile(reportsDescriptor, "reports"), os.NewFile(holdDescriptor, "hold"))
}

// serveHeld serves until hold ends, and reports meanwhile.
func (c *serveConfig) serveHeld(ln net.Listener, reports io.Writer, hold io.Reader) error {
	served, held := make(chan error, 1), make(chan struct{})
	go func() { served <- c.run(ln) }()
	go func() {
		_, _ = io.Copy(io.Discard, hold) // nothing comes but the end, and an error is one
		close(held)
	}()
	go report(reports, &c.server)
	select {
	case err := <-served:
		return err
	case <-held:
		return c.shutDown(context.Background(), served)
	}
}

// report writes the server's statistics as JSON: as soon as it serves, and from then on while the process lives. That
// nobody reads them when the parent is gone is no error.
func report(w io.Writer, s *engine.Server) {
	encoder := json.NewEncoder(w)
	for wait := time.Millisecond; ; time.Sleep(wait) {
		if stats := s.Stats(); stats.MaxConnections != 0 { // Serve has set its limits
			_ = encoder.Encode(stats)
			wait = reportInterval
		}
	}
}
