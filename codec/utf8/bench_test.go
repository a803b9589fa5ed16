package utf8

import (
	"fmt"
	"testing"
	stdutf8 "unicode/utf8"
)

// benchTexts are texts of one script each; emoji stands for chat, where characters of one,
// two, three and four bytes mix.
var benchTexts = []struct{ name, text string }{
	{"ascii", "The quick brown fox jumps over the lazy dog. "},
	{"cyrillic", "Съешьжеещёэтихмягкихфранцузскихбулокдавыпейчаю"},
	{"chinese", "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏"},
	{"emoji", "ok 👍🎉 déjà vu… 😀😃 да, 好的 🚀 see you!! "},
}

// fill repeats text up to n bytes and ends with ASCII where a character does not fit.
func fill(text string, n int) []byte {
	b := make([]byte, 0, n+len(text))
	for len(b) < n {
		b = append(b, text...)
	}
	b = b[:n]
	for i := n - 1; i >= 0 && !stdutf8.Valid(b); i-- {
		b[i] = '.'
	}
	return b
}

func BenchmarkAdvance(b *testing.B) {
	for _, t := range benchTexts {
		for _, n := range []int{16, 32, 64, 125, 1024, 16384} {
			p := fill(t.text, n)
			b.Run(fmt.Sprintf("%s/%d/wsloop", t.name, n), func(b *testing.B) {
				b.SetBytes(int64(n))
				for b.Loop() {
					if s, ok := State(0).Advance(p); !ok || !s.Complete() {
						b.Fatal("valid text refused")
					}
				}
			})
			b.Run(fmt.Sprintf("%s/%d/std", t.name, n), func(b *testing.B) {
				b.SetBytes(int64(n))
				for b.Loop() {
					if !stdutf8.Valid(p) {
						b.Fatal("valid text refused")
					}
				}
			})
		}
	}
}
