package differential

// disagreement is a deliberate one: a rule that one side follows and the other does not.
type disagreement struct {
	name    string // in docs/fuzzing.md
	section string // of RFC 6455, which we follow
	rival   string
	ours    string // why we refuse, in the words of codec.ProtocolError; "" if we do not
	theirs  string // why they refuse; "" if they do not
	in      string // where it shows
}

var disagreements = []disagreement{
	{
		"gorilla-long-length", "5.2", "gorilla",
		"a payload length is not in its shortest encoding", "", "\x82\xfe\x00\x01\x00\x00\x00\x00a",
	},
	{
		"gobwas-long-length", "5.2", "gobwas",
		"a payload length is not in its shortest encoding", "", "\x82\xfe\x00\x01\x00\x00\x00\x00a",
	},
	{
		"gobwas-long-length-control", "5.5", "gobwas",
		"a control frame has more than 125 payload bytes", "", "\x89\xfe\x00\x01\x00\x00\x00\x00a",
	},
	{
		"gorilla-text", "8.1", "gorilla",
		"a text message is not UTF-8", "", "\x81\x81\x00\x00\x00\x00\xff",
	},
	{
		"gorilla-text-incomplete", "8.1", "gorilla",
		"a text message ends inside a character", "", "\x81\x81\x00\x00\x00\x00\xc3",
	},
	{
		"gorilla-half-a-code", "5.5.1", "gorilla",
		"a Close payload of one byte has no room for a status code", "", "\x88\x81\x00\x00\x00\x00\x03",
	},
	{
		"gorilla-bad-gateway", "7.4.2", "gorilla",
		"", "websocket: bad close code 1014", "\x88\x82\x00\x00\x00\x00\x03\xf6",
	},
	{
		"gobwas-later-codes", "7.4.2", "gobwas",
		"", "status code is not defined in spec", "\x88\x82\x00\x00\x00\x00\x03\xf4",
	},
	{
		"gobwas-codes-from-5000", "7.4.2", "gobwas",
		"the status code may not appear in a Close frame", "", "\x88\x82\x00\x00\x00\x00\x13\x88",
	},
}
