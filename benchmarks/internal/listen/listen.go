// Package listen is what the servers share: the flag -addr, and the line that tells the bound address.
package listen

import (
	"flag"
	"fmt"
	"log"
	"net"
)

var addr = flag.String("addr", "127.0.0.1:0", "`address` to listen on; port 0 takes a free one")

// Addr parses the flags and returns the address asked for. For libraries that listen themselves, which
// then call Announce.
func Addr() string {
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument %q", flag.Arg(0))
	}
	return *addr
}

// TCP parses the flags, listens, and announces the address. It ends the process when that fails.
func TCP() net.Listener {
	ln, err := net.Listen("tcp", Addr())
	if err != nil {
		log.Fatal(err)
	}
	Announce(ln.Addr())
	return ln
}

// Announce prints the bound address, which whoever started the server waits for.
func Announce(a net.Addr) {
	fmt.Printf("listening on %s\n", a)
}
