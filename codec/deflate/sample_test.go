package deflate

import (
	"fmt"
	"math/rand/v2"
)

// samples gives messages of about so many bytes that look like those of real applications: a
// trade below 200 bytes, else a list of chat messages. The same seed gives the same.
func samples(seed uint64, messageLen int) [][]byte {
	r := rand.New(rand.NewPCG(seed, uint64(messageLen)))
	list := make([][]byte, max(16, min(1024, 1<<20/messageLen)))
	for i := range list {
		list[i] = sample(r, messageLen)
	}
	return list
}

func sample(r *rand.Rand, messageLen int) []byte {
	if messageLen < 200 {
		symbols := []string{"BTCUSD", "ETHUSD", "SOLUSD", "XRPUSD"}
		return fmt.Appendf(nil, `{"type":"trade","sym":"%s","px":%d.%02d,"qty":%d,"ts":%d}`,
			symbols[r.IntN(4)], 1000+r.IntN(60000), r.IntN(100), r.IntN(50), 1763700000000+r.Int64N(1e8))
	}
	names := []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"}
	words := []string{
		"hello", "the", "meeting", "is", "at", "noon", "please", "check", "latest", "build", "status", "and", "report",
		"back", "thanks", "server", "error", "deploy",
	}
	b := []byte(`{"type":"update","items":[`)
	for len(b) < messageLen {
		b = fmt.Appendf(b, `{"id":%d,"user":"%s","room":"r%d","ts":"2026-11-%02dT%02d:%02d:%02d.%03dZ","score":%d.%d,"online":%v,"text":"`,
			100000+r.IntN(900000), names[r.IntN(8)], r.IntN(40), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1000),
			r.IntN(100), r.IntN(10), r.IntN(2) == 0)
		for range 3 + r.IntN(8) {
			b = append(append(b, words[r.IntN(len(words))]...), ' ')
		}
		b = append(b, `"},`...)
	}
	return append(b[:messageLen-2], "]}"...)
}

// noise does not compress.
func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
