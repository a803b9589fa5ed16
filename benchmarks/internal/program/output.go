package program

import (
	"bytes"
	"context"
	"io"
	"sync"
)

// Limits of what is kept of a program's output: lines that nobody has asked for yet, and of those the last some.
const (
	linesMax     = 1000
	lastLines    = 10
	lineMaxBytes = 64 << 10
)

// Output is what a program says, line by line.
type Output struct {
	lines chan string
	last  []string
	part  []byte // of a line that has not ended
	mu    sync.Mutex
}

func newOutput() *Output { return &Output{lines: make(chan string, linesMax)} }

// Write takes a part of the output. Lines for which there is no room are lost; no program here is asked for so many.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.part = append(o.part, b...)
	for {
		line, rest, found := bytes.Cut(o.part, []byte("\n"))
		if !found {
			if len(o.part) > lineMaxBytes {
				o.part = nil
			}
			return len(b), nil
		}
		o.add(string(line))
		o.part = rest
	}
}

func (o *Output) add(line string) {
	o.last = append(o.last, line)
	if len(o.last) > lastLines {
		o.last = o.last[1:]
	}
	select {
	case o.lines <- line:
	default:
	}
}

// close ends the lines, once nothing is written any more.
func (o *Output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.part) > 0 {
		o.add(string(o.part))
		o.part = nil
	}
	close(o.lines)
}

// Line waits for the next line. At the end of the output it returns io.EOF.
func (o *Output) Line(ctx context.Context) (string, error) {
	select {
	case line, open := <-o.lines:
		if !open {
			return "", io.EOF
		}
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Last returns the last lines, those that Line returned too.
func (o *Output) Last() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.last...)
}
