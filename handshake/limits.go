package handshake

// Defaults for the fields of [Limits]. A head of 16 KiB is what Node.js takes, a
// line of 8 KiB what nginx takes: a browser that carries a site's cookies fits.
const (
	DefaultHeadBytes   = 16 << 10
	DefaultLineBytes   = 8 << 10
	DefaultHeaderCount = 100
)

// Fixed bounds that no configuration needs to move.
const (
	// maxHeadBytes keeps every offset, and the sum of two, within 31 bits.
	maxHeadBytes = 1 << 28
	// maxMethodBytes is above every registered method; longer ones are 501
	// (RFC 9112 section 3).
	maxMethodBytes = 24
	// maxOfferedProtocols bounds the comparison of every subprotocol with every
	// other, which is quadratic.
	maxOfferedProtocols = 64
	// maxOfferedExtensions and maxOfferedParams bound the memory that a few bytes
	// of head can claim: an Extension is far larger than the "a," that names it.
	maxOfferedExtensions = 32
	maxOfferedParams     = 128
)

// Limits bounds the head of a request, or of an answer, which has no status to be refused
// with. A field that is zero or negative means its default, and so does a nil *Limits.
type Limits struct {
	// HeadBytes is the length of the whole head, the empty line included. Beyond
	// it the request is refused with 431, or 414 within the request line.
	HeadBytes int
	// LineBytes is the length of one line, its CRLF included. Beyond it a field is
	// refused with 431 and a request line with 414.
	LineBytes int
	// HeaderCount is the number of fields. One more is refused with 431.
	HeaderCount int
}

// resolve gives the limits in force.
func (l *Limits) resolve() Limits {
	out := Limits{DefaultHeadBytes, DefaultLineBytes, DefaultHeaderCount}
	if l == nil {
		return out
	}
	if l.HeadBytes > 0 {
		out.HeadBytes = min(l.HeadBytes, maxHeadBytes)
	}
	if l.LineBytes > 0 {
		out.LineBytes = min(l.LineBytes, maxHeadBytes)
	}
	if l.HeaderCount > 0 {
		out.HeaderCount = l.HeaderCount
	}
	return out
}
