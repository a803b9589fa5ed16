package handshake

// Extension is one element of Sec-WebSocket-Extensions (RFC 6455 section 9.1): a name
// and parameters, as offered and in order. Nothing is known here of what they mean.
type Extension struct {
	Name   []byte
	Params []Param
}

// Param is a parameter of an extension. Value is nil when there is no "=", and a token
// without its quotes otherwise.
type Param struct {
	Name, Value []byte
}

const extensionField = "Sec-WebSocket-Extensions"

// parseExtensions fills r.extensions from every field of the name; together they are
// one list.
func (r *Request) parseExtensions() *Error {
	r.extensions, r.params, r.unquoted = r.extensions[:0], r.params[:0], r.unquoted[:0]
	for i := r.next(extensionField, 0); i >= 0; i = r.next(extensionField, i+1) {
		if err := r.parseExtensionList(r.valueAt(i)); err != nil {
			return err
		}
	}
	return nil
}

// parseExtensionList reads a list of at least one extension; empty elements beside it
// are skipped (RFC 9110 section 5.6.1.2).
func (r *Request) parseExtensionList(list []byte) *Error {
	w := words{rest: list}
	found := false
	for {
		w.blanks()
		if !w.done() && w.rest[0] != ',' {
			if err := r.parseExtension(&w); err != nil {
				return err
			}
			found = true
		}
		if w.done() {
			break
		}
		if !w.take(',') {
			return errExtensions
		}
	}
	if !found {
		return errExtensions
	}
	return nil
}

// parseExtension reads up to the comma or the end.
func (r *Request) parseExtension(w *words) *Error {
	name := w.token()
	if name == nil {
		return errExtensions
	}
	if len(r.extensions) == maxOfferedExtensions {
		return errManyExtension
	}
	first := len(r.params)
	for w.take(';') {
		param := Param{Name: w.token()}
		if param.Name == nil {
			return errExtensions
		}
		if w.take('=') {
			if param.Value = r.paramValue(w); param.Value == nil {
				return errExtensions
			}
		}
		if len(r.params) == maxOfferedParams {
			return errManyExtension
		}
		r.params = append(r.params, param)
	}
	// When r.params grows in a later round, these stay in the memory they are in.
	last := len(r.params)
	r.extensions = append(r.extensions, Extension{name, r.params[first:last:last]})
	return nil
}

// paramValue reads a token, or a quoted-string that is a token once unquoted; nil is a
// fault. Only a value with a backslash is copied.
func (r *Request) paramValue(w *words) []byte {
	if !w.take('"') {
		return w.token()
	}
	start, copied := len(r.unquoted), false
	for i, text := 0, w.rest; i < len(text); i++ {
		c := text[i]
		if c == '"' {
			value := text[:i:i]
			if copied {
				value = r.unquoted[start:len(r.unquoted):len(r.unquoted)]
			}
			w.rest = text[i+1:]
			w.blanks()
			if len(value) == 0 {
				return nil
			}
			return value
		}
		if c == '\\' {
			if !copied {
				r.unquoted, copied = append(r.unquoted, text[:i]...), true
			}
			if i++; i == len(text) {
				return nil
			}
			c = text[i]
		}
		if classOf[c]&classToken == 0 {
			return nil
		}
		if copied {
			r.unquoted = append(r.unquoted, c)
		}
	}
	return nil
}

// words takes tokens and separators off a field value. Blanks may stand between any
// two of them: RFC 6455 section 9.1 uses the implied LWS of RFC 2616.
type words struct{ rest []byte }

func (w *words) done() bool { return len(w.rest) == 0 }

func (w *words) blanks() { w.rest = w.rest[skip(w.rest, 0, classBlank):] }

// take takes one separator and the blanks after it, if it comes next. The blanks before
// it are gone already.
func (w *words) take(separator byte) bool {
	if w.done() || w.rest[0] != separator {
		return false
	}
	w.rest = w.rest[1:]
	if separator != '"' {
		w.blanks()
	}
	return true
}

// token takes a token and the blanks after it; nil when there is none.
func (w *words) token() []byte {
	end := skip(w.rest, 0, classToken)
	if end == 0 {
		return nil
	}
	token := w.rest[:end:end]
	w.rest = w.rest[end:]
	w.blanks()
	return token
}
