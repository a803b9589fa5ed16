package codec

// violation is a rule that the peer broke. A Decoder remembers one in a byte; at makes the error.
type violation uint8

const (
	valid violation = iota
	reservedBit
	reservedOpcode
	fragmentedControl
	controlTooLong
	nothingToContinue
	messageNotFinished
	notMaskedByClient
	maskedByServer
	lengthTopBit
	lengthNotMinimal
	closeWithoutCode
	closeCodeInvalid
	closeReasonNotUTF8
	textNotUTF8
	textIncomplete
	messageTooBig
	tooManyFragments
)

// violations holds the status code for each violation and its explanation for the log.
var violations = [...]struct {
	code   StatusCode
	reason string
}{
	reservedBit:        {StatusProtocolError, "a reserved bit is set that no extension uses there"},
	reservedOpcode:     {StatusProtocolError, "the opcode is reserved"},
	fragmentedControl:  {StatusProtocolError, "a control frame is fragmented"},
	controlTooLong:     {StatusProtocolError, "a control frame has more than 125 payload bytes"},
	nothingToContinue:  {StatusProtocolError, "a continuation frame has no message to continue"},
	messageNotFinished: {StatusProtocolError, "a message begins inside a fragmented message"},
	notMaskedByClient:  {StatusProtocolError, "a frame from a client is not masked"},
	maskedByServer:     {StatusProtocolError, "a frame from a server is masked"},
	lengthTopBit:       {StatusProtocolError, "the top bit of a 64-bit payload length is set"},
	lengthNotMinimal:   {StatusProtocolError, "a payload length is not in its shortest encoding"},
	closeWithoutCode:   {StatusProtocolError, "a Close payload of one byte has no room for a status code"},
	closeCodeInvalid:   {StatusProtocolError, "the status code may not appear in a Close frame"},
	closeReasonNotUTF8: {StatusInvalidFramePayloadData, "the reason of a Close frame is not UTF-8"},
	textNotUTF8:        {StatusInvalidFramePayloadData, "a text message is not UTF-8"},
	textIncomplete:     {StatusInvalidFramePayloadData, "a text message ends inside a character"},
	messageTooBig:      {StatusMessageTooBig, "a message is longer than the limit"},
	tooManyFragments:   {StatusPolicyViolation, "a message has more fragments than the limit"},
}

// at returns the error for v, found at the given offset.
func (v violation) at(offset int64) *ProtocolError {
	return &ProtocolError{Code: violations[v].code, Offset: offset, Reason: violations[v].reason}
}
