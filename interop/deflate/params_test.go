package deflate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/wsloop/wsloop/engine"
)

// params are those of one element of Sec-WebSocket-Extensions (RFC 7692 section 7.1). Windows are 0 where there is no
// parameter, and bare where it has no value.
type params struct {
	ServerNoTakeover bool `json:"server_no_context_takeover,omitempty"`
	ClientNoTakeover bool `json:"client_no_context_takeover,omitempty"`
	ServerBits       int  `json:"server_max_window_bits,omitempty"`
	ClientBits       int  `json:"client_max_window_bits,omitempty"`
}

// bare is what matrix.json has for client_max_window_bits without a value.
const bare = 1

func (p params) String() string {
	s := "permessage-deflate"
	if p.ServerNoTakeover {
		s += "; server_no_context_takeover"
	}
	if p.ClientNoTakeover {
		s += "; client_no_context_takeover"
	}
	if p.ServerBits != 0 {
		s += "; server_max_window_bits=" + strconv.Itoa(p.ServerBits)
	}
	switch {
	case p.ClientBits == bare:
		s += "; client_max_window_bits"
	case p.ClientBits != 0:
		s += "; client_max_window_bits=" + strconv.Itoa(p.ClientBits)
	}
	return s
}

// parseElements reads what real implementations send, which is less than the grammar has.
func parseElements(field string) (all []params, err error) {
	for element := range strings.SplitSeq(field, ",") {
		name, rest, _ := strings.Cut(element, ";")
		if strings.TrimSpace(name) != "permessage-deflate" {
			return nil, fmt.Errorf("element %q", element)
		}
		var p params
		for param := range strings.SplitSeq(rest, ";") {
			if err := p.parse(strings.TrimSpace(param)); err != nil {
				return nil, err
			}
		}
		all = append(all, p)
	}
	return all, nil
}

func (p *params) parse(param string) (err error) {
	name, value, valued := strings.Cut(param, "=")
	switch {
	case param == "":
	case param == "server_no_context_takeover":
		p.ServerNoTakeover = true
	case param == "client_no_context_takeover":
		p.ClientNoTakeover = true
	case param == "client_max_window_bits":
		p.ClientBits = bare
	case valued && name == "server_max_window_bits":
		p.ServerBits, err = strconv.Atoi(strings.Trim(value, `"`))
	case valued && name == "client_max_window_bits":
		p.ClientBits, err = strconv.Atoi(strings.Trim(value, `"`))
	default:
		err = fmt.Errorf("parameter %q", param)
	}
	return err
}

// answerOf is what docs/deflate.md says that our server answers to an offer.
func answerOf(ours *engine.Deflate, offer params) params {
	client := bits(ours.ClientMaxWindowBits)
	answer := params{
		ServerNoTakeover: offer.ServerNoTakeover || !ours.ServerContextTakeover,
		ClientNoTakeover: offer.ClientNoTakeover || !ours.ClientContextTakeover || client < 15 && offer.ClientBits == 0,
	}
	if offer.ServerBits != 0 {
		answer.ServerBits = min(offer.ServerBits, bits(ours.ServerMaxWindowBits))
	}
	if offer.ClientBits > bare {
		client = min(client, offer.ClientBits)
	}
	if offer.ClientBits != 0 && client < 15 {
		answer.ClientBits = client
	}
	return answer
}

// bits is a window in force.
func bits(option int) int {
	if option <= bare {
		return 15
	}
	return option
}

// judge says what is wrong with a server's answer, given all offers of the client: it must be one to at least one of them
// (RFC 7692 sections 5.1 and 7.1).
func judge(offers []params, answer params) (err error) {
	for _, offer := range offers {
		fault := judgeOne(offer, answer)
		if fault == nil {
			return nil
		}
		if err == nil {
			err = fault
		}
	}
	return err
}

func judgeOne(offer, answer params) error {
	switch {
	case offer.ServerNoTakeover && !answer.ServerNoTakeover:
		return errors.New("server_no_context_takeover is not granted")
	case offer.ServerBits != 0 && answer.ServerBits == 0:
		return errors.New("server_max_window_bits is not granted")
	case offer.ServerBits != 0 && answer.ServerBits > offer.ServerBits:
		return errors.New("server_max_window_bits is more than was offered")
	case offer.ClientBits == 0 && answer.ClientBits != 0:
		return errors.New("client_max_window_bits was not offered")
	case answer.ClientBits == bare:
		return errors.New("client_max_window_bits has no value")
	case offer.ClientBits > bare && answer.ClientBits > offer.ClientBits:
		return errors.New("client_max_window_bits is more than was offered")
	}
	return nil
}
