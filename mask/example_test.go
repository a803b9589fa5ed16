package mask_test

import (
	"encoding/binary"
	"fmt"

	"github.com/wsloop/wsloop/mask"
)

// The masked text frame of RFC 6455 section 5.7, its payload read in two pieces.
func ExampleXOR() {
	frame := []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}
	key := binary.LittleEndian.Uint32(frame[2:6])
	payload := frame[6:]

	key = mask.XOR(payload[:3], key)
	mask.XOR(payload[3:], key)
	fmt.Printf("%s\n", payload)
	// Output: Hello
}

// A payload in pieces is unmasked on its way into the buffer that assembles it.
func ExampleCopy() {
	pieces := [][]byte{{0x7f, 0x9f, 0x4d}, {0x51, 0x58}}
	key := binary.LittleEndian.Uint32([]byte{0x37, 0xfa, 0x21, 0x3d})

	message := make([]byte, 5)
	n := 0
	for _, piece := range pieces {
		key = mask.Copy(message[n:], piece, key)
		n += len(piece)
	}
	fmt.Printf("%s\n", message)
	// Output: Hello
}
