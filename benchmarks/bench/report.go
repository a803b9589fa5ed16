package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/wsloop/wsloop/benchmarks/internal/report"
)

// reportCommand reads what was measured, and writes it for people.
func reportCommand(_ context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("bench report", flag.ContinueOnError)
	fs.SetOutput(stderr)
	quiet := fs.Bool("quiet", false, "no text on the standard output")
	html := fs.String("html", "", "write a page to this `file`")
	markdown := fs.Bool("markdown", false, "tables in Markdown on the standard output, instead of text")
	compare := fs.Bool("compare", false, "two versions of wsloop on the standard output, instead of text")
	var into list
	fs.Var(&into, "into", "put tables between the markers of this Markdown `file`; may be repeated")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		fmt.Fprintln(stderr, "bench: report needs one file of samples")
		return errUsage
	}
	return write(fs.Arg(0), func(r *report.Report) error {
		if note := r.Note(); note != "" {
			fmt.Fprintf(stderr, "bench: %s: %s\n", fs.Arg(0), note)
		}
		if *html != "" {
			if err := toFile(*html, r.HTML); err != nil {
				return err
			}
		}
		for _, document := range into {
			if err := insert(r, document); err != nil {
				return err
			}
		}
		switch {
		case *markdown:
			return r.Markdown(stdout)
		case *compare:
			return r.Compare(stdout)
		case *quiet:
			return nil
		}
		return r.Text(stdout)
	})
}

// write reads a file of samples and hands the report to what writes it.
func write(path string, how func(*report.Report) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := report.Read(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return how(r)
}

// toFile writes a file once all of it is known.
func toFile(path string, how func(io.Writer) error) error {
	var b bytes.Buffer
	if err := how(&b); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// insert changes a document in place, unless that would change nothing.
func insert(r *report.Report, path string) error {
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	after, err := r.Insert(before)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if bytes.Equal(before, after) {
		return nil
	}
	return os.WriteFile(path, after, 0o644)
}
