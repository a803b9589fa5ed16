//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
)

var errElsewhere = errors.New("measuring needs Linux")

func runCommand(context.Context, []string, io.Writer, io.Writer) error { return errElsewhere }

func compareCommand(context.Context, []string, io.Writer, io.Writer) error { return errElsewhere }
