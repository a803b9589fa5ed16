package tlsdriver

// Sizes of records (RFC 8446 section 5.1, RFC 5246 section 6.2).
const (
	recordHeaderLen = 5
	maxPlaintext    = 1 << 14
	// maxCiphertext is that of TLS 1.2. In TLS 1.3 it is less, which crypto/tls knows.
	maxCiphertext = maxPlaintext + 2048
)

// typeHandshake is the content type of every first record.
const typeHandshake = 22

// record returns the length of the record at the start of b with its header, and whether all of it is there. While the header
// is not, the length is the header's. A record that is too long for any version is but its header: crypto/tls answers that with the right alert.
func record(b []byte) (n int, whole bool) {
	if len(b) < recordHeaderLen {
		return recordHeaderLen, false
	}
	payloadLen := int(b[3])<<8 | int(b[4])
	if payloadLen > maxCiphertext {
		return recordHeaderLen, true
	}
	n = recordHeaderLen + payloadLen
	return n, len(b) >= n
}

// isHTTP says that the first byte of a connection is one of a plaintext request: methods are capital letters.
func isHTTP(first byte) bool { return 'A' <= first && first <= 'Z' }

// plainHTTPAnswer is for those who mistook the port.
const plainHTTPAnswer = "HTTP/1.0 400 Bad Request\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\n" +
	"Connection: close\r\n" +
	"\r\n" +
	"This port speaks TLS. Use https:// or wss://.\n"
