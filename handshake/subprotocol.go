package handshake

import "slices"

const protocolField = "Sec-WebSocket-Protocol"

// chooseProtocol checks the grammar of the offer and gives the first of preferred that
// it holds, or "".
func (r *Request) chooseProtocol(preferred []string) (string, *Error) {
	first := r.next(protocolField, 0)
	if first < 0 {
		return "", nil
	}
	var memory [maxOfferedProtocols][]byte
	offered := memory[:0]
	for i := first; i >= 0; i = r.next(protocolField, i+1) {
		element, list := cutElement(r.valueAt(i))
		if element == nil {
			return "", errProtocols
		}
		for ; element != nil; element, list = cutElement(list) {
			switch {
			case len(offered) == cap(offered):
				return "", errManyProtocols
			case !all(element, classToken), holds(offered, element):
				return "", errProtocols
			}
			offered = append(offered, element)
		}
	}
	for _, name := range preferred {
		if holds(offered, name) {
			return name, nil
		}
	}
	return "", nil
}

func holds[T text](list [][]byte, word T) bool {
	for _, element := range list {
		if string(element) == string(word) {
			return true
		}
	}
	return false
}

// Offers reports whether the client offers the subprotocol, compared exactly.
func (r *Request) Offers(subprotocol string) bool {
	for i := r.next(protocolField, 0); i >= 0; i = r.next(protocolField, i+1) {
		for element, list := cutElement(r.valueAt(i)); element != nil; element, list = cutElement(list) {
			if string(element) == subprotocol {
				return true
			}
		}
	}
	return false
}

// CheckSubprotocols finds a name that no client could offer, or that is given twice. Its
// error is a [*ConfigError].
func CheckSubprotocols(names []string) error {
	for i, name := range names {
		if !all(name, classToken) {
			return &ConfigError{"subprotocol", name, "not a token"}
		}
		if slices.Contains(names[:i], name) {
			return &ConfigError{"subprotocol", name, "given twice"}
		}
	}
	return nil
}
