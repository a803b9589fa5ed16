package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a program may take to end when it is asked to.
const patience = 2 * time.Second

// A Spec is what to start.
type Spec struct {
	Command []string
	Dir     string   // "" for that of this process
	Env     []string // added to that of this process
	CPUs    []int    // that it may run on, it and nothing it starts leaves them; none for all of this process
}

// A Program runs. Its methods are for one goroutine at a time, but for End, which may be called whenever.
type Program struct {
	Stdin io.WriteCloser
	Said  *Output // its standard output and standard error

	cmd   *exec.Cmd
	end   sync.Once
	ended chan struct{}
	err   error // of Wait; read when ended is closed
}

// Start starts a program, which is killed if this process ends before. Whoever starts it has to End it.
func Start(s Spec) (*Program, error) {
	cmd := exec.Command(s.Command[0], s.Command[1:]...)
	cmd.Dir, cmd.Env = s.Dir, append(os.Environ(), s.Env...)
	cmd.WaitDelay = patience // should a child of its own hold the pipes
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p := &Program{Stdin: stdin, Said: newOutput(), cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.Said, p.Said
	if err := startOn(cmd, s.CPUs); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Command[0], err)
	}
	go func() {
		p.err = cmd.Wait()
		p.Said.close()
		close(p.ended)
	}()
	return p, nil
}

// startOn starts cmd from a thread that is on the processors: a child begins on those of the thread that made it, and so
// the id of the process is the program's own.
func startOn(cmd *exec.Cmd, cpus []int) error {
	if len(cpus) == 0 {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("processors %v: %w", cpus, err)
	}
	err := cmd.Start()
	return errors.Join(err, unix.SchedSetaffinity(0, &before))
}

// CPUs are the processors that this process may use, in order.
func CPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, err
	}
	var cpus []int
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// PID is the process of the program.
func (p *Program) PID() int { return p.cmd.Process.Pid }

// Wait waits until the program ended, or kills it when ctx is done. A program that fails is an error with what it said last.
func (p *Program) Wait(ctx context.Context) error {
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.End()
		return ctx.Err()
	}
	if p.err != nil {
		return p.failure(p.err)
	}
	return nil
}

// failure adds what the program said last, which mostly says why.
func (p *Program) failure(err error) error {
	return fmt.Errorf("%s: %w: %s", filepath.Base(p.cmd.Args[0]), err, strings.Join(p.Said.Last(), "\n"))
}

// Alive is nil while the program runs.
func (p *Program) Alive() error {
	select {
	case <-p.ended:
		return p.failure(fmt.Errorf("it ended by itself (%v)", p.cmd.ProcessState))
	default:
		return nil
	}
}

// CPU is what the program used in its life, once Wait has returned.
func (p *Program) CPU() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// End asks the program to end, insists after two seconds, and waits for it.
func (p *Program) End() {
	p.end.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-p.ended:
		case <-time.After(patience):
			_ = p.cmd.Process.Kill()
		}
	})
	<-p.ended
}
