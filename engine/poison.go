//go:build wsdebug

package engine

// poison overwrites a payload whose callback has returned, so that a callback that
// kept it finds out.
func poison(payload []byte) {
	for i := range payload {
		payload[i] = 0xDB
	}
}
