// Command write makes an authority and a server's certificate for run.sh and browser.sh: write DIR.
package main

import (
	"fmt"
	"os"

	"github.com/wsloop/wsloop/interop/authority"
)

func main() {
	a, err := authority.New()
	if err == nil {
		_, err = a.Write(os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "write:", err)
		os.Exit(1)
	}
}
