package handshake

// Classes of bytes, as bits of classOf.
const (
	classToken  = 1 << iota // tchar, RFC 9110 section 5.6.2
	classValue              // field-vchar with obs-text, RFC 9110 section 5.5
	classBlank              // SP and HTAB
	classPath               // visible ASCII but '#' and '?'
	classHost               // bytes of a host name, see validHostName
	classDigit              // 0 to 9
	classHexDig             // 0 to 9, a to f, A to F
	classAlpha              // letters of ASCII
)

var classOf = classify()

func classify() (t [256]uint8) {
	for c := range t {
		if c > ' ' && c != 0x7f {
			t[c] |= classValue
		}
		if c > ' ' && c < 0x7f && c != '#' && c != '?' {
			t[c] |= classPath
		}
	}
	for c := '0'; c <= '9'; c++ {
		t[c] |= classDigit | classHexDig | classToken | classHost
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= classAlpha | classToken | classHost
		t[c-'a'+'A'] |= classAlpha | classToken | classHost
	}
	for c := 'a'; c <= 'f'; c++ {
		t[c] |= classHexDig
		t[c-'a'+'A'] |= classHexDig
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] |= classToken
	}
	for _, c := range []byte("-._~") {
		t[c] |= classHost
	}
	t[' '] |= classBlank
	t['\t'] |= classBlank
	return t
}

// text is what the helpers below read: a view of the head, or a word of the
// application.
type text interface{ ~string | ~[]byte }

// all reports whether s is not empty and every byte of it is of class.
func all[T text](s T, class uint8) bool {
	for i := range len(s) {
		if classOf[s[i]]&class == 0 {
			return false
		}
	}
	return len(s) > 0
}

// equalFold compares in any case of ASCII and of nothing else: in Unicode the
// Kelvin sign folds to k, which would let a stranger's "websoKet" pass.
func equalFold[A, B text](a A, b B) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// trimBlanks takes SP and HTAB off both ends.
func trimBlanks(b []byte) []byte {
	for len(b) > 0 && classOf[b[0]]&classBlank != 0 {
		b = b[1:]
	}
	for len(b) > 0 && classOf[b[len(b)-1]]&classBlank != 0 {
		b = b[:len(b)-1]
	}
	return b
}
