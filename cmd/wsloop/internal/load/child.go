package load

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
)

// RunChild runs the share that a parent writes to in, and tells it on out what becomes of that. When in ends, the parent is
// gone, and so is the run. Signals are the parent's affair.
func RunChild(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	var c Config
	first, err := lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(first, &c)
	}
	if err != nil {
		return fmt.Errorf("the share of a child is what wsloop load -procs writes to it: %w", err)
	}
	o := hear(lines)
	to := newNotes(out)
	w, err := NewWorker(o.draining, c)
	if err != nil {
		return to.write(note{Error: err.Error()})
	}
	defer w.Close()
	// Samples that nobody reads are no reason to end: the end of in is.
	stop := everySecond(w, func(s Sample) { _ = to.write(note{Sample: &s}) })
	w.obey(o, to)
	stop()
	return to.write(note{Report: w.Report(nil)})
}

// obey goes through the phases as the parent says.
func (w *Worker) obey(o orders, to *notes) {
	_ = w.Connect(o.draining) // that nothing is open is for the parent to judge, and the drain is heard below
	n := w.opened.Load()
	_ = to.write(note{Open: &n})
	select {
	case <-o.measure:
		w.Begin()
		wait(o.draining, w.config.Warmup)
		w.Measure()
		<-o.draining.Done()
		w.End()
		_ = to.write(note{Ended: true})
	case <-o.draining.Done():
	}
	w.Drain(o.alive)
}

// orders are what a parent has said so far.
type orders struct {
	alive    context.Context // ends with the parent
	draining context.Context // of alive
	measure  chan struct{}   // closed by the word
}

// hear listens to a parent, for as long as there is one.
func hear(from *bufio.Reader) (o orders) {
	alive, end := context.WithCancel(context.Background())
	draining, drain := context.WithCancel(alive)
	measure := make(chan struct{})
	begin := sync.OnceFunc(func() { close(measure) })
	go func() {
		defer end()
		for {
			word, err := from.ReadString('\n')
			if err != nil {
				return
			}
			switch strings.TrimSpace(word) {
			case wordMeasure:
				begin()
			case wordDrain:
				drain()
			}
		}
	}()
	return orders{alive, draining, measure}
}
