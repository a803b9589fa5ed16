package codec

// The rules in this file are pure functions of what arrived. Nothing else decides whether a frame is
// legal; the Decoder only calls them as early as it has the bytes.

// sequence decides which frame may follow which (RFC 6455 section 5.4). It is the opcode of the
// message that is in fragments, with rsv1Bit if that is compressed, or zero between messages.
type sequence Opcode

const betweenMessages sequence = 0

// check judges the first byte of a frame in its place. With deflate, permessage-deflate was agreed: RSV1
// marks the first frame of a compressed message and stands on no other (RFC 7692 section 6).
func (s sequence) check(first byte, deflate bool) violation {
	op := Opcode(first & opcodeBits)
	if bits := first & rsvBits; bits != 0 && (bits != rsv1Bit || !deflate || op == OpcodeContinuation || op.IsControl()) {
		return reservedBit
	}
	if v := checkOpcode(first); v != valid {
		return v
	}
	switch {
	case op.IsControl():
		return valid
	case op == OpcodeContinuation && s == betweenMessages:
		return nothingToContinue
	case op != OpcodeContinuation && s != betweenMessages:
		return messageNotFinished
	}
	return valid
}

// opcode returns what the frame with this first byte belongs to: its own opcode, or for a
// continuation frame that of the message.
func (s sequence) opcode(first byte) Opcode {
	if op := Opcode(first & opcodeBits); op != OpcodeContinuation {
		return op
	}
	return Opcode(s & opcodeBits)
}

// compressed says whether the data frame with this first byte belongs to a compressed message.
func (s sequence) compressed(first byte) bool {
	if Opcode(first&opcodeBits) == OpcodeContinuation {
		return s&rsv1Bit != 0
	}
	return first&rsv1Bit != 0
}

// after returns the sequence once the data frame with this first byte has ended.
func (s sequence) after(first byte) sequence {
	if first&finBit != 0 {
		return betweenMessages
	}
	next := sequence(s.opcode(first))
	if s.compressed(first) {
		next |= rsv1Bit
	}
	return next
}

// checkOpcode judges what a first byte says alone.
func checkOpcode(first byte) violation {
	op := Opcode(first & opcodeBits)
	switch {
	case op.IsReserved():
		return reservedOpcode
	case op.IsControl() && first&finBit == 0:
		return fragmentedControl
	}
	return valid
}

// checkControlLen judges the length of a control frame (RFC 6455 section 5.5). A Close payload is
// empty or begins with a status code of two bytes (section 5.5.1), so that a length of 1 is wrong
// before its byte arrives.
func checkControlLen(first, second byte) violation {
	op, length := Opcode(first&opcodeBits), second&lengthBits
	switch {
	case !op.IsControl():
		return valid
	case length > MaxControlPayload:
		return controlTooLong
	case op == OpcodeClose && length == 1:
		return closeWithoutCode
	}
	return valid
}

// checkMask judges the mask bit (RFC 6455 section 5.1).
func checkMask(role Role, second byte) violation {
	switch masked := second&maskBit != 0; {
	case role == RoleServer && !masked:
		return notMaskedByClient
	case role == RoleClient && masked:
		return maskedByServer
	}
	return valid
}

// lengths is a range of payload lengths, both ends included.
type lengths struct{ least, most uint64 }

// possibleLengths is the range that is left when the first of the extended length's bytes have been
// read into prefix.
func possibleLengths(prefix uint64, read, extended int) lengths {
	missingBits := 8 * (extended - read)
	least := prefix << missingBits
	return lengths{least, least | (1<<missingBits - 1)}
}

// check judges an extended payload length as soon as its outcome is certain. The top bit must be
// clear and the encoding the shortest possible (RFC 6455 section 5.2).
func (l lengths) check(extended int) violation {
	shortest := uint64(length16)
	if extended == 8 {
		shortest = 1 << 16
	}
	switch {
	case l.least>>63 != 0:
		return lengthTopBit
	case l.most < shortest:
		return lengthNotMinimal
	}
	return valid
}
