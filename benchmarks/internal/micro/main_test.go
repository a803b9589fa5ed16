package micro

import (
	"bufio"
	"fmt"
	"os"
	"testing"
)

// module is the directory of the module of the benchmarks.
const module = "../.."

// impostor is the variable of the environment that makes the test program play a server.
const impostor = "MICRO_IMPOSTOR"

func TestMain(m *testing.M) {
	if play := os.Getenv(impostor); play != "" {
		impersonate(play)
		return
	}
	os.Exit(m.Run())
}

func impersonate(play string) {
	switch play {
	case "ends":
		return
	case "no address":
		fmt.Println("hello")
	default:
		fmt.Println("listening on 127.0.0.1:1")
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch play {
		case "counts":
			fmt.Println(`{"messages":1,"mallocs":2,"cycles":3}`)
		case "garbled":
			fmt.Println("many")
		case "ends when asked":
			return
		}
	}
}
