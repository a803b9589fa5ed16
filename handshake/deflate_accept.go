package handshake

// Accept takes the first of a client's offers that is permessage-deflate as RFC 7692 defines it.
// Offers with a parameter that is unknown, malformed or there twice are passed over (section
// 7.1). It appends the answer, the value of Sec-WebSocket-Extensions, to dst, for
// [Acceptance.Agreed]: at most 128 bytes. When there is no such offer, or o is nil, it is not ok
// and dst is returned as it was.
//
// A window is limited in the answer only if the client spoke of it: some clients fail
// a connection whose answer tells of server_max_window_bits unasked, although section 7.1.2.1
// allows that.
func (o *DeflateOptions) Accept(dst []byte, offers []Extension) (p DeflateParams, answer []byte, ok bool) {
	if o == nil {
		return p, dst, false
	}
	for _, offer := range offers {
		if string(offer.Name) != deflateName {
			continue
		}
		if offered, ok := parseDeflate(offer.Params); ok {
			p, agreed := o.agree(&offered)
			return p, agreed.append(dst), true
		}
	}
	return p, dst, false
}

// agree decides on a valid offer. Every valid offer can be agreed to: we compress with any window.
func (o *DeflateOptions) agree(offered *deflateElement) (p DeflateParams, answer deflateElement) {
	p = DeflateParams{
		ServerNoContextTakeover: offered.serverNoTakeover || !o.ServerContextTakeover,
		ClientNoContextTakeover: offered.clientNoTakeover || !o.ClientContextTakeover,
		ServerMaxWindowBits:     uint8(windowBits(o.ServerMaxWindowBits)),
		ClientMaxWindowBits:     maxWindowBits,
	}
	if offered.serverBits != 0 {
		p.ServerMaxWindowBits = min(p.ServerMaxWindowBits, uint8(offered.serverBits))
		answer.serverBits = int(p.ServerMaxWindowBits)
	}
	ours := windowBits(o.ClientMaxWindowBits)
	switch {
	case offered.clientBits != 0:
		ours = min(ours, offered.clientBits)
		fallthrough
	case offered.clientBitsAny:
		p.ClientMaxWindowBits = uint8(ours)
		if ours < maxWindowBits {
			answer.clientBits = ours
		}
	case ours < maxWindowBits:
		p.ClientNoContextTakeover = true // it cannot be held to a smaller window
	}
	answer.serverNoTakeover = p.ServerNoContextTakeover
	answer.clientNoTakeover = p.ClientNoContextTakeover
	return p, answer
}
