// Command run runs the benchmarks of this module's package micro in rounds, each of them a process, and prints what
// benchstat reads. It is to be run in the directory of the module.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/wsloop/wsloop/benchmarks/internal/micro"
)

func main() {
	rounds := flag.Int("rounds", 6, "how `often` each benchmark runs")
	pattern := flag.String("bench", ".", "benchmarks whose name matches this `pattern`")
	flag.Parse()
	if flag.NArg() > 0 || *rounds < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := micro.Text(ctx, ".", *pattern, *rounds, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
