package payload

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"unicode/utf8"
)

var sizes = []int{64, 200, 201, 512, 4 << 10, 64 << 10}

// Messages are JSON of the length asked for, no two alike, and the same each time.
func TestMessages(t *testing.T) {
	for _, size := range sizes {
		seen := make(map[string]bool)
		all, again := Messages(size), Messages(size)
		if len(all) < fewest || len(all)*size < rotationBytes {
			t.Errorf("%d bytes: %d messages", size, len(all))
		}
		for i, m := range all {
			if len(m) != size || !json.Valid(m) || !utf8.Valid(m) || seen[string(m)] || !bytes.Equal(m, again[i]) {
				t.Fatalf("%d bytes: %d: %s", size, len(m), m)
			}
			seen[string(m)] = true
		}
	}
}

// inflate undoes Compress.
func inflate(t *testing.T, compressed []byte) []byte {
	t.Helper()
	const final = "\x01\x00\x00\xff\xff" // an empty block, so that there is an end
	got, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(compressed), bytes.NewReader([]byte(tail+final)))))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestCompress(t *testing.T) {
	for _, size := range sizes {
		for _, takeover := range []bool{false, true} {
			sum := 0
			all := Messages(size)
			for _, m := range all {
				compressed := Compress(m, takeover)
				if got := inflate(t, compressed); !bytes.Equal(got, m) {
					t.Fatalf("%d bytes, %t: %s", size, takeover, got)
				}
				sum += len(compressed)
			}
			ratio := float64(sum) / float64(len(all)*size)
			t.Logf("%d bytes, takeover %t: %d messages, %.0f %% are left", size, takeover, len(all), 100*ratio)
			if size >= 512 && ratio > 0.75 {
				t.Errorf("%d bytes: real messages become smaller, not %.2f", size, ratio)
			}
		}
	}
}

// References go back no further than a small window.
func TestCompressForSmallWindow(t *testing.T) {
	noise := Messages(takeoverWindow)[0]
	var message []byte
	for i := range 3 {
		message = append(message, noise...)
		message = append(message, Messages(64)[i]...)
	}
	if narrow, wide := len(Compress(message, true)), len(Compress(message, false)); narrow < 2*wide {
		t.Errorf("what repeats beyond the window takes %d bytes, and %d within", narrow, wide)
	}
}

func TestWrite(t *testing.T) {
	var file bytes.Buffer
	if err := Write(&file, 512, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range Messages(512) {
		length, compressed := binary.BigEndian.Uint32(file.Next(4)), binary.BigEndian.Uint32(file.Next(4))
		if got := file.Next(int(length)); !bytes.Equal(got, want) {
			t.Fatalf("%s", got)
		}
		if got := inflate(t, file.Next(int(compressed))); !bytes.Equal(got, want) {
			t.Fatalf("%s", got)
		}
	}
	if file.Len() > 0 {
		t.Errorf("%d bytes more", file.Len())
	}
	reader, writer := io.Pipe()
	broken := errors.New("broken")
	_ = reader.CloseWithError(broken)
	if err := Write(writer, 64, true); !errors.Is(err, broken) {
		t.Error(err)
	}
}
