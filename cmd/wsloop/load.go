package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/load"
	findings "github.com/wsloop/wsloop/cmd/wsloop/internal/report"
)

// errThreshold says that a run did what a -fail excludes, and that the user has been told.
var errThreshold = errors.New("threshold")

// loadCommand is wsloop load: it makes load and reports, or compares two reports.
func loadCommand(args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "compare":
			return compareReports(args[1:], stdout, stderr)
		case loadChildCommand:
			return loadChild(stdout)
		}
	}
	c, err := parseLoad(args, stderr)
	if err != nil {
		return err
	}
	// After the first signal the next one ends the process, as it does by default.
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer restore()
	defer context.AfterFunc(ctx, restore)()
	if err := c.checkLimits(ctx, stderr); err != nil || c.onlyCheck {
		return err
	}
	var live *load.Live
	if !c.quiet {
		live = load.NewLive(stderr, c.run.Connections)
	}
	r, runErr := c.generate(ctx, append([]string{"wsloop", "load"}, redactedArgs(args)...), live, stderr)
	if r == nil {
		return runErr
	}
	if err := c.write(r, stdout, stderr); err != nil {
		return err
	}
	if runErr != nil {
		return runErr
	}
	return c.check(r, stderr)
}

// write writes the report in all its forms. Who has the standard output for another form finds the text on stderr.
func (c *loadConfig) write(r *findings.Report, stdout, stderr io.Writer) error {
	r.Slim()
	text := stdout
	for _, f := range c.files {
		if *f.path == "-" {
			text = stderr
		}
	}
	if err := r.WriteText(text); err != nil {
		return err
	}
	for _, f := range c.files {
		if err := f.write(r, stdout); err != nil {
			return err
		}
	}
	return nil
}

// check holds the report against the bounds of -fail.
func (c *loadConfig) check(r *findings.Report, stderr io.Writer) (err error) {
	for _, t := range c.thresholds {
		if violated, text := t.Check(r); violated {
			fmt.Fprintln(stderr, "wsloop load: failed:", text)
			err = errThreshold
		}
	}
	return err
}

// reportFile is a form of the report that was asked for, or not: then the path is empty.
type reportFile struct {
	path *string
	form func(r *findings.Report, w io.Writer) error
}

func (f *reportFile) write(r *findings.Report, stdout io.Writer) error {
	switch *f.path {
	case "":
		return nil
	case "-":
		return f.form(r, stdout)
	}
	file, err := os.Create(*f.path)
	if err != nil {
		return err
	}
	return errors.Join(f.form(r, file), file.Close())
}

// redactedArgs are the arguments without what may be secret: values of headers, and queries of URLs.
func redactedArgs(args []string) (shown []string) {
	header := false
	for _, arg := range args {
		name, value, joined := strings.Cut(arg, "=")
		switch isHeader := strings.TrimLeft(name, "-") == "header" && name != "header"; {
		case header:
			arg = redactedField(arg)
			header = false
		case isHeader && joined:
			arg = name + "=" + redactedField(value)
		case isHeader:
			header = true
		default:
			arg = load.Redacted(arg)
		}
		shown = append(shown, arg)
	}
	return shown
}

func redactedField(field string) string {
	name, _, found := strings.Cut(field, ":")
	if !found {
		return "***"
	}
	return name + ": ***"
}

// compareReports is wsloop load compare.
func compareReports(args []string, stdout, stderr io.Writer) error {
	if len(args) != 2 {
		fmt.Fprintln(stderr, "usage: wsloop load compare a.json b.json")
		return errUsage
	}
	var reports [2]*findings.Report
	for i, path := range args {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		reports[i], err = findings.ReadJSON(file)
		file.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return findings.Compare(stdout, reports[0], reports[1])
}
