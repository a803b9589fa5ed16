package load

import (
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/report"
)

// probes measure what a run costs processes of the server on this machine. There may be none.
type probes []probed

type probed struct {
	report.Server
	began time.Duration
}

// usage is what the system says of a process.
type usage struct {
	cpu time.Duration // of all its threads, those that have ended included
	rss uint64        // bytes
}

// probe looks at the processes before anything is connected.
func probe(pids []int) (all probes, err error) {
	for _, pid := range pids {
		u, err := usageOf(pid)
		if err != nil {
			return nil, err
		}
		all = append(all, probed{Server: report.Server{PID: pid, RSSBefore: u.rss}})
	}
	return all, nil
}

// noteMemory is called when the most connections are open.
func (p probes) noteMemory() {
	for i := range p {
		if u, err := usageOf(p[i].PID); err == nil {
			p[i].RSSAfter = max(p[i].RSSAfter, u.rss)
		}
	}
}

// begin begins to count processor time. Its error says that a process is gone.
func (p probes) begin() (gone error) {
	for i := range p {
		u, err := usageOf(p[i].PID)
		if err != nil {
			gone = err
		}
		p[i].began = u.cpu
	}
	return gone
}

// end ends what begin began. When one process is gone, no processor time is known of any: their sum would be too low.
func (p probes) end() {
	for i := range p {
		u, err := usageOf(p[i].PID)
		if err != nil {
			for j := range p {
				p[j].CPU = 0
			}
			return
		}
		p[i].CPU = u.cpu - p[i].began
	}
}

func (p probes) found() (all []report.Server) {
	for i := range p {
		all = append(all, p[i].Server)
	}
	return all
}
