package handshake

// pathValue is what a wildcard of a route stands for.
type pathValue struct {
	name  string
	value []byte
}

// PathValue is what the wildcard called name stands for in the path, decoded, or nil. Whoever routes the request sets it; it is valid
// as long as the request.
func (r *Request) PathValue(name string) []byte {
	for i := range r.pathValues {
		if r.pathValues[i].name == name {
			return r.pathValues[i].value
		}
	}
	return nil
}

// AddPathValue sets a value that PathValue is to return. It is kept until Reset, not copied.
func (r *Request) AddPathValue(name string, value []byte) {
	r.pathValues = append(r.pathValues, pathValue{name, value})
}
