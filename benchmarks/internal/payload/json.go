package payload

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// shortBytes is the length up to which a message is a trade; a longer one is a piece of the history of a chat room.
const shortBytes = 200

// rotationBytes is what all messages of a rotation have at least: twice the largest window, so that a server with context
// takeover never finds a message in it that is the same.
const rotationBytes = 64 << 10

// fewest is how many messages a rotation has at least.
const fewest = 16

// Messages returns different messages of a length in bytes, JSON in UTF-8, always the same ones. It takes no less than 64 bytes.
func Messages(bytes int) [][]byte {
	random := rand.New(rand.NewPCG(uint64(bytes), 7692))
	all := make([][]byte, max(fewest, (rotationBytes+bytes-1)/bytes))
	for i := range all {
		if bytes <= shortBytes {
			all[i] = trade(random, bytes)
		} else {
			all[i] = history(random, i, bytes)
		}
	}
	return all
}

var pairs = []string{"BTC-EUR", "ETH-EUR", "SOL-EUR", "BTC-USD", "ETH-USD", "LTC-USD", "XRP-USD", "ADA-EUR"}

// trade is one of a stream of trades; the quantity has as many digits as it takes.
func trade(random *rand.Rand, bytes int) []byte {
	head := fmt.Sprintf(`{"type":"trade","pair":"%s","price":%d.%02d,"qty":0.`,
		pairs[random.IntN(len(pairs))], 61000+random.IntN(900), random.IntN(100))
	const end = "}"
	message := []byte(head)
	for len(message) < bytes-len(end) {
		message = append(message, byte('1'+random.IntN(9)))
	}
	return append(message, end...)
}

var rooms = []string{"general", "deployments", "random", "support", "design", "on-call"}

var users = []string{"anna", "bob.miller", "Zoë", "jonas", "Łukasz", "mei-lin", "carlos", "priya", "tom_h", "Jürgen", "fatima", "olga"}

// history is a piece of a chat room's, in which the last text is as long as it takes.
func history(random *rand.Rand, i, bytes int) []byte {
	const end, least = `"}]}`, 110 // bytes of a message, its text aside
	var b strings.Builder
	fmt.Fprintf(&b, `{"type":"history","room":"%s","seq":%d,"messages":[`, rooms[random.IntN(len(rooms))], 48211+i)
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Hour)
	for first := true; ; first = false {
		if !first {
			b.WriteString(`"},`)
		}
		at = at.Add(time.Duration(1000+random.IntN(90_000)) * time.Millisecond)
		fmt.Fprintf(&b, `{"id":%d,"from":"%s","at":"%s","text":"`,
			9_100_000+random.IntN(800_000), users[random.IntN(len(users))], at.Format("2006-01-02T15:04:05.000Z"))
		room := bytes - b.Len() - len(end)
		text := sentence(random)
		if room < len(text)+least {
			b.WriteString(exactly(random, text, room))
			return []byte(b.String() + end)
		}
		b.WriteString(text)
	}
}

// words are those of a chat, in the order of how often they come.
var words = strings.Fields(`the to a I is it you that we and of in on for this not have be with was are can just at as if so but
there do what one will like from they or when about out up me all get now how think time our need see know should
would here work good back some make then also going thanks after today which could been still only new really sure test
yes please try because server where does why right who let sorry again tomorrow meeting build change question maybe done page
users release same first problem later check before looks fine error wait customer morning anyone branch review staging database
deploy ticket screenshot lunch invoice pipeline roadmap latency certificate translation spreadsheet bandwidth orchestra`)

// word is a common one more often than a rare one.
func word(random *rand.Rand) string {
	place := random.Float64()
	return words[int(place*place*float64(len(words)))]
}

// sentence is what somebody writes at once.
func sentence(random *rand.Rand) string {
	var b strings.Builder
	for i := range 4 + random.IntN(18) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word(random))
	}
	b.WriteString([]string{"", "", ".", "?", "!"}[random.IntN(5)])
	return b.String()
}

// exactly makes an ASCII text as long as is wanted, with more words or by cutting it.
func exactly(random *rand.Rand, text string, bytes int) string {
	for len(text) < bytes {
		text += " " + word(random)
	}
	return text[:bytes]
}
