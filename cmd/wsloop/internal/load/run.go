package load

import (
	"context"
	"errors"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/report"
)

// Run does a whole run in this process, with its status lines on live, which may be nil. The end of ctx ends it early:
// what was measured by then is reported all the same. An error without a report says that the run could not begin, one
// with a report that no connection was opened.
func Run(ctx context.Context, c Config, command []string, live *Live) (*report.Report, error) {
	servers, err := probe(c.ServerPIDs)
	if err != nil {
		return nil, err
	}
	w, err := NewWorker(ctx, c)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	stop := everySecond(w, live.Show)
	err = w.run(ctx, servers)
	stop()
	live.End()
	r := w.Report(command)
	r.Servers = servers.found()
	if r.Connect.Opened == 0 {
		return r, errNoConnection
	}
	return r, err
}

// run goes through the phases. Its error is not that ctx has ended.
func (w *Worker) run(ctx context.Context, servers probes) error {
	err := w.Connect(ctx)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	servers.noteMemory()
	if err == nil && ctx.Err() == nil {
		w.Begin()
		wait(ctx, w.config.Warmup)
		err = servers.begin()
		w.Measure()
		wait(ctx, w.config.Duration)
		w.End()
		servers.end()
		servers.noteMemory()
	}
	w.Drain(context.WithoutCancel(ctx))
	return err
}

// wait waits for d, or for the end of ctx.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// everySecond samples and passes that on until it is stopped, and then once more.
func everySecond(w *Worker, pass func(Sample)) (stop func()) {
	stopped, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				pass(w.Sample())
			case <-stopped:
				pass(w.Sample())
				return
			}
		}
	}()
	return func() {
		close(stopped)
		<-done
	}
}
