package handshake

// Check decides whether a complete answer to the request that was sent with key opens the
// connection (RFC 6455 section 4.1). If so it gives the subprotocol that the server chose,
// or "": a string of the [Opening]'s. If not, the error is an [*AnswerError].
//
// Fields that describe a body are ignored: a 101 ends with its head (RFC 9112 section 6.3).
func (p *Prepared) Check(a *Answer, key *Key) (subprotocol string, err error) {
	if fault := a.checkSwitch(key); fault != nil {
		return "", fault
	}
	subprotocol, fault := p.checkProtocol(a)
	if fault != nil {
		return "", fault
	}
	if p.deflate != nil {
		if _, _, err := p.deflate.CheckAnswer(a); err != nil {
			return "", err
		}
	} else if fault := a.checkExtensions(); fault != nil {
		return "", fault
	}
	return subprotocol, nil
}

// Deflate gives what an answer that Check accepted says about permessage-deflate, if that was agreed.
func (p *Prepared) Deflate(a *Answer) (params DeflateParams, agreed bool) {
	if p.deflate == nil {
		return params, false
	}
	params, agreed, _ = p.deflate.CheckAnswer(a)
	return params, agreed
}

// checkSwitch checks what does not depend on what was offered, in this order, so that an
// answer with several faults is always refused for the same.
func (a *Answer) checkSwitch(key *Key) *AnswerError {
	switch status := a.Status(); {
	case a.head == nil:
		return errIncomplete
	case status == 101:
	case status >= 100 && status < 200:
		return &AnswerError{status, reasonInterim, ErrAnswerStatus}
	case status >= 300 && status < 400:
		return &AnswerError{status, reasonRedirect, ErrAnswerStatus}
	default:
		return &AnswerError{status, reasonStatus, ErrAnswerStatus}
	}
	// Of Connection one token has to fit, of Upgrade the whole value: a list of protocols
	// would be layers, of which only one is spoken here (RFC 9110 section 7.8).
	if upgrade, ok := a.single("Upgrade"); !ok || !equalFold(upgrade, "websocket") {
		return errAnswerUpgrade
	}
	if !a.HasToken("Connection", "Upgrade") {
		return errAnswerConnection
	}
	got, ok := a.single("Sec-WebSocket-Accept")
	if !ok {
		return errNoAccept
	}
	if want := acceptOf(key[:]); string(got) != string(want[:]) {
		return errAccept
	}
	return nil
}

// checkProtocol gives the subprotocol chosen, as the opening spells it.
func (p *Prepared) checkProtocol(a *Answer) (string, *AnswerError) {
	if a.next(protocolField, 0) < 0 {
		return "", nil
	}
	chosen, ok := a.single(protocolField)
	if !ok {
		return "", errAnswerProtocols
	}
	for _, name := range p.subprotocols {
		if string(chosen) == name {
			return name, nil
		}
	}
	return "", errNotOffered
}

// checkExtensions refuses every extension, for none is offered. A field that names none is
// taken: some servers send it.
func (a *Answer) checkExtensions() *AnswerError {
	if a.next(extensionField, 0) < 0 {
		return nil
	}
	agreed, ok := a.single(extensionField)
	switch {
	case !ok:
		return errAnswerExtensions
	case len(agreed) > 0:
		return errExtension
	}
	return nil
}
