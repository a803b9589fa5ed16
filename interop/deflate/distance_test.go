package deflate

import "errors"

// measure walks through a compressed message (RFC 1951) and keeps nothing of it. plain is its inflated length, farthest the
// longest distance at which it refers to something, and back how far that reaches beyond its own beginning.
func measure(message []byte) (plain, farthest, back int, err error) {
	r := &blocks{in: append(message[:len(message):len(message)], 0, 0, 0xff, 0xff)}
	for !r.empty() && r.err == nil {
		final := r.bits(1) == 1
		switch r.bits(2) {
		case 0:
			r.stored()
		case 1:
			r.codes(fixedCodes())
		case 2:
			r.codes(r.dynamicCodes())
		default:
			r.err = errors.New("a block of type 3")
		}
		if final {
			r.have = 0
		}
	}
	return r.plain, r.farthest, r.back, r.err
}

// blocks reads bits, lowest first.
type blocks struct {
	in   []byte
	hold uint64
	have int // bits in hold
	err  error

	plain, farthest, back int
}

// empty says whether the message is over. What is left of the last byte is padding.
func (r *blocks) empty() bool { return len(r.in) == 0 && r.have < 8 }

func (r *blocks) bits(n int) int {
	for r.have < n {
		if len(r.in) == 0 {
			r.err = errors.New("a block is cut off")
			return 0
		}
		r.hold |= uint64(r.in[0]) << r.have
		r.in, r.have = r.in[1:], r.have+8
	}
	v := r.hold & (1<<n - 1)
	r.hold, r.have = r.hold>>n, r.have-n
	return int(v)
}

// stored passes over a stored block. Fewer than 8 bits are ever held between symbols, so none of its bytes is.
func (r *blocks) stored() {
	r.bits(r.have % 8)
	n, inverted := r.bits(16), r.bits(16)
	switch {
	case r.err != nil:
	case n^inverted != 0xffff:
		r.err = errors.New("a stored block has two lengths")
	case n > len(r.in):
		r.err = errors.New("a stored block is cut off")
	default:
		r.in, r.plain = r.in[n:], r.plain+n
	}
}

// huffman is a canonical code: how many codes have a length, and the symbols in their order.
type huffman struct {
	counts  [16]int
	symbols []int
}

func newHuffman(lengths []int) *huffman {
	h := &huffman{}
	for length := 1; length < 16; length++ {
		for symbol, l := range lengths {
			if l == length {
				h.counts[length]++
				h.symbols = append(h.symbols, symbol)
			}
		}
	}
	return h
}

func (r *blocks) symbol(h *huffman) int {
	code, first, index := 0, 0, 0
	for length := 1; length < 16 && r.err == nil; length++ {
		code |= r.bits(1)
		count := h.counts[length]
		if code < first+count {
			return h.symbols[index+code-first]
		}
		index, first, code = index+count, (first+count)<<1, code<<1
	}
	r.err = errors.Join(r.err, errors.New("a code without a symbol"))
	return 0
}

func fixedCodes() (literals, distances *huffman) {
	lengths := make([]int, 288)
	for i := range lengths {
		switch {
		case i < 144, i > 279:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		default:
			lengths[i] = 7
		}
	}
	five := make([]int, 30)
	for i := range five {
		five[i] = 5
	}
	return newHuffman(lengths), newHuffman(five)
}

func (r *blocks) dynamicCodes() (literals, distances *huffman) {
	n, m, k := r.bits(5)+257, r.bits(5)+1, r.bits(4)+4
	var order [19]int
	for i := range k {
		order[[...]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[i]] = r.bits(3)
	}
	h := newHuffman(order[:])
	lengths := make([]int, 0, n+m+138)
	for len(lengths) < n+m && r.err == nil {
		symbol, value, times := r.symbol(h), 0, 1
		switch symbol {
		case 16:
			if len(lengths) > 0 {
				value = lengths[len(lengths)-1]
			}
			times = 3 + r.bits(2)
		case 17:
			times = 3 + r.bits(3)
		case 18:
			times = 11 + r.bits(7)
		default:
			value = symbol
		}
		for range times {
			lengths = append(lengths, value)
		}
	}
	if r.err != nil {
		return &huffman{}, &huffman{}
	}
	return newHuffman(lengths[:n]), newHuffman(lengths[n : n+m])
}

func (r *blocks) codes(literals, distances *huffman) {
	for r.err == nil {
		symbol := r.symbol(literals)
		switch {
		case r.err != nil || symbol == 256:
			return
		case symbol < 256:
			r.plain++
			continue
		}
		length := r.length(symbol - 257)
		d := r.symbol(distances)
		extra := max(0, d/2-1)
		distance := d + 1
		if extra > 0 {
			distance = (2+d%2)<<extra + 1 + r.bits(extra)
		}
		r.farthest, r.back = max(r.farthest, distance), max(r.back, distance-r.plain)
		r.plain += length
	}
}

func (r *blocks) length(symbol int) int {
	switch {
	case symbol < 8:
		return symbol + 3
	case symbol == 28:
		return 258
	}
	extra := symbol/4 - 1
	return (4+symbol%4)<<extra + 3 + r.bits(extra)
}
