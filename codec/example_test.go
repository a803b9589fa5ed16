package codec_test

import (
	"errors"
	"fmt"

	"github.com/wsloop/wsloop/codec"
)

// A server reads what a client sends: here the first examples of RFC 6455 section 5.7, in one read.
func Example() {
	read := []byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58" +
		"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")

	var (
		decoder   = codec.NewDecoder(codec.RoleServer)
		assembler codec.Assembler
		limits    = codec.Limits{MessageBytes: 1 << 20, Fragments: 1000}
	)
	for {
		message, n, ok, err := assembler.Next(&decoder, read, &limits)
		if err != nil {
			fmt.Println("fail:", err)
			return
		}
		if !ok {
			break // read more
		}
		read = read[n:]
		fmt.Printf("%v %q\n", message.Opcode, message.Payload)
	}
	// Output:
	// text "Hello"
	// ping "Hello"
}

// Parts of a message can be used as they arrive, without an Assembler.
func ExampleDecoder_Next() {
	var decoder codec.Decoder
	var part codec.Part
	frame := codec.AppendMaskedFrame(nil, true, codec.OpcodeText, []byte("a long message"), 0x3d21fa37)
	for _, read := range [][]byte{frame[:12], frame[12:]} {
		for {
			n, ok, err := decoder.Next(read, nil, &part)
			if err != nil || !ok {
				break
			}
			if err := decoder.Unmask(&part); err != nil {
				break
			}
			fmt.Printf("%q, %d bytes to come\n", part.Payload, part.Remaining)
			read = read[n:]
		}
	}
	// Output:
	// "a long", 8 bytes to come
	// " message", 0 bytes to come
}

// A protocol error knows the status code to close with.
func ExampleProtocolError() {
	var decoder codec.Decoder
	var part codec.Part
	_, _, err := decoder.Next([]byte("\x81\x05Hello"), nil, &part)

	var violation *codec.ProtocolError
	if errors.As(err, &violation) {
		payload, _ := codec.AppendClose(nil, violation.Code, "")
		fmt.Printf("% x\n", codec.AppendFrame(nil, true, codec.OpcodeClose, payload))
		fmt.Println(err)
	}
	// Output:
	// 88 02 03 ea
	// codec: a frame from a client is not masked (status 1002, at byte 1)
}
