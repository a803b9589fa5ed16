package handshake

// Faults of an answer's Sec-WebSocket-Extensions when permessage-deflate was offered.
var (
	errAnswerList     = mismatch("Sec-WebSocket-Extensions is malformed (RFC 6455 section 9.1)")
	errDeflateTwice   = mismatch("Sec-WebSocket-Extensions agrees to permessage-deflate twice (RFC 7692 section 5)")
	errDeflateParam   = mismatch("a parameter of permessage-deflate is unknown, malformed or there twice (RFC 7692 section 7.1)")
	errServerTakeover = mismatch("the server does not do without context takeover as it was asked (RFC 7692 section 7.1.1.1)")
	errServerWindow   = mismatch("server_max_window_bits is more than was offered (RFC 7692 section 7.1.2.1)")
	errClientWindow   = mismatch("client_max_window_bits is more than was offered (RFC 7692 section 7.1.2.2)")
)

// AppendOffer appends what a client sends as the value of Sec-WebSocket-Extensions. Besides the
// server's window, which not every server can limit, a second offer asks for no context takeover
// instead.
func (o *DeflateOptions) AppendOffer(dst []byte) []byte {
	offer := deflateElement{
		serverNoTakeover: !o.ServerContextTakeover,
		clientNoTakeover: !o.ClientContextTakeover,
		clientBitsAny:    true,
	}
	if ours := windowBits(o.ClientMaxWindowBits); ours < maxWindowBits {
		offer.clientBits = ours
	}
	if ours := windowBits(o.ServerMaxWindowBits); ours < maxWindowBits {
		offer.serverBits = ours
		dst = append(offer.append(dst), ", "...)
		offer.serverBits, offer.serverNoTakeover = 0, true
	}
	return offer.append(dst)
}

// CheckAnswer judges the Sec-WebSocket-Extensions of an answer to what
// [DeflateOptions.AppendOffer] offers. It is not agreed when the server declined, and the
// connection opens without. The error is an [*AnswerError]: the server agreed to something that
// was not offered, and the client has to fail the connection (RFC 7692 section 7.1).
func (o *DeflateOptions) CheckAnswer(a *Answer) (p DeflateParams, agreed bool, err error) {
	if a.next(extensionField, 0) < 0 {
		return p, false, nil
	}
	value, ok := a.single(extensionField)
	if !ok {
		return p, false, errAnswerExtensions
	}
	if len(value) == 0 {
		return p, false, nil // some servers send it
	}
	var list Request // has the grammar, which offers and answers share
	if fault := list.parseExtensionList(value); fault != nil {
		return p, false, errAnswerList
	}
	for _, e := range list.extensions {
		if string(e.Name) != deflateName {
			return p, false, errExtension
		}
	}
	if len(list.extensions) > 1 {
		return p, false, errDeflateTwice
	}
	p, fault := o.judge(list.extensions[0].Params)
	if fault != nil {
		return DeflateParams{}, false, fault
	}
	return p, true, nil
}

// judge compares an answer with what was offered.
func (o *DeflateOptions) judge(params []Param) (p DeflateParams, fault *AnswerError) {
	answer, ok := parseDeflate(params)
	if !ok || answer.clientBitsAny {
		return p, errDeflateParam
	}
	p = DeflateParams{
		ServerNoContextTakeover: answer.serverNoTakeover,
		ClientNoContextTakeover: answer.clientNoTakeover || !o.ClientContextTakeover,
		ServerMaxWindowBits:     maxWindowBits,
		ClientMaxWindowBits:     uint8(windowBits(o.ClientMaxWindowBits)),
	}
	if !answer.serverNoTakeover && !o.ServerContextTakeover {
		return p, errServerTakeover
	}
	ours := windowBits(o.ServerMaxWindowBits)
	switch {
	case answer.serverBits > ours && !answer.serverNoTakeover:
		return p, errServerWindow // with it, this is a window unasked for, and agrees to the second offer
	case answer.serverBits != 0:
		p.ServerMaxWindowBits = uint8(answer.serverBits)
	case ours < maxWindowBits && !answer.serverNoTakeover:
		return p, errServerTakeover // it agreed to neither of the two offers
	}
	if answer.clientBits > int(p.ClientMaxWindowBits) {
		return p, errClientWindow
	}
	if answer.clientBits != 0 {
		p.ClientMaxWindowBits = uint8(answer.clientBits)
	}
	return p, nil
}
