package deflate

import "slices"

// reference inflates slowly, from RFC 1951 alone, and knows how far back a message refers.
type reference struct {
	in       []byte
	at       int // bits read
	out      []byte
	history  int // bytes of out that were there before
	farthest int // distance
	fault    bool
	noSymbol bool // a code without a symbol was used: the library does not always refuse that
}

// inflateReference inflates a message as the Inflater should.
func inflateReference(src, window []byte) (r *reference, ok bool) {
	r = &reference{in: slices.Concat(src, []byte(tail)), out: slices.Clone(window), history: len(window)}
	for len(src) > 0 {
		final, empty := r.bits(1) == 1, false
		switch r.bits(2) {
		case 0:
			empty = r.stored()
		case 1:
			r.codes(slices.Concat(slices.Repeat([]int{8}, 144), slices.Repeat([]int{9}, 112),
				slices.Repeat([]int{7}, 24), slices.Repeat([]int{8}, 8)), slices.Repeat([]int{5}, 32))
		case 2:
			r.dynamic()
		default:
			r.fault = true
		}
		if final {
			r.align()
		}
		switch {
		case r.fault, final && r.at > 8*len(src):
			return r, false
		case final && r.at == 8*len(src), empty && !final && r.at == 8*len(r.in):
			return r, true
		}
	}
	return r, true
}

func (r *reference) message() []byte { return r.out[r.history:] }

func (r *reference) bits(n int) (v int) {
	for i := range n {
		if r.at >= 8*len(r.in) {
			r.fault = true
			return 0
		}
		v |= int(r.in[r.at/8]>>(r.at%8)&1) << i
		r.at++
	}
	return v
}

func (r *reference) align() { r.at = (r.at + 7) &^ 7 }

func (r *reference) stored() (empty bool) {
	r.align()
	n, complement := r.bits(16), r.bits(16)
	if n^complement != 0xffff {
		r.fault = true
	}
	for i := 0; i < n && !r.fault; i++ {
		if c := byte(r.bits(8)); !r.fault {
			r.out = append(r.out, c)
		}
	}
	return n == 0
}

// code is a Huffman code: the symbols in the order of their codes, and how many have each length.
type code struct {
	count   [16]int
	symbols []int
}

func (r *reference) newCode(lengths []int) (c code) {
	longest := slices.Max(lengths)
	for n := 1; n < 16; n++ {
		for symbol, length := range lengths {
			if length == n {
				c.count[n]++
				c.symbols = append(c.symbols, symbol)
			}
		}
	}
	left := 1
	for n := 1; n <= longest; n++ {
		left = 2*left - c.count[n]
		if left < 0 {
			break
		}
	}
	// A single code of one bit is the one incomplete code that zlib takes.
	if left != 0 && len(c.symbols) > 0 && !(longest == 1 && len(c.symbols) == 1) {
		r.fault = true
	}
	return c
}

func (r *reference) symbol(c *code) int {
	r.noSymbol = r.noSymbol || len(c.symbols) == 0
	value, first, index := 0, 0, 0
	for n := 1; n < 16 && !r.fault; n++ {
		value = value<<1 | r.bits(1)
		if value-first < c.count[n] {
			return c.symbols[index+value-first]
		}
		index += c.count[n]
		first = (first + c.count[n]) << 1
	}
	r.fault = true
	return -1
}

func (r *reference) dynamic() {
	literals, distances, n := r.bits(5)+257, r.bits(5)+1, r.bits(4)+4
	if literals > 286 || distances > 30 {
		r.fault = true
		return
	}
	lengths := make([]int, 19)
	for i := range n {
		lengths[[]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[i]] = r.bits(3)
	}
	c := r.newCode(lengths)
	lengths = nil
	for len(lengths) < literals+distances && !r.fault {
		switch s := r.symbol(&c); {
		case s < 16:
			lengths = append(lengths, s)
		case s == 16 && len(lengths) == 0:
			r.fault = true
		case s == 16:
			lengths = append(lengths, slices.Repeat(lengths[len(lengths)-1:], 3+r.bits(2))...)
		case s == 17:
			lengths = append(lengths, make([]int, 3+r.bits(3))...)
		default:
			lengths = append(lengths, make([]int, 11+r.bits(7))...)
		}
	}
	if r.fault || len(lengths) > literals+distances {
		r.fault = true
		return
	}
	r.codes(lengths[:literals], lengths[literals:])
}

// codes reads a block of literals and references.
func (r *reference) codes(literals, distances []int) {
	lit, dist := r.newCode(literals), r.newCode(distances)
	for !r.fault {
		s := r.symbol(&lit)
		switch {
		case r.fault || s == 256:
			return
		case s < 256:
			r.out = append(r.out, byte(s))
			continue
		case s > 285:
			r.fault = true
			return
		}
		length := r.extended(s-257, 4) + 3
		if s == 285 {
			length = 258
		}
		d := r.symbol(&dist)
		if r.fault || d > 29 {
			r.fault = true
			return
		}
		distance := r.extended(d, 2) + 1
		if r.fault || distance > len(r.out) || distance > maxWindow {
			r.fault = true
			return
		}
		r.farthest = max(r.farthest, distance)
		for range length {
			r.out = append(r.out, r.out[len(r.out)-distance])
		}
	}
}

// extended reads the extra bits of a length (each step of 4 symbols has one more) or distance (of 2).
func (r *reference) extended(symbol, step int) int {
	if symbol < 2*step || symbol == 28 && step == 4 {
		return symbol
	}
	extra := symbol/step - 1
	return (step+symbol%step)<<extra + r.bits(extra)
}
