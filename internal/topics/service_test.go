package topics

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// Conversations of a and b: ">" is what one sends, "<" what it gets. Each begins on a server of its own, where topics below
// "kept" retain their last message, and connections may have three subscriptions.
var conversations = map[string]string{
	"subscribe": `
		a> {"type":"subscribe","topic":"rooms.*","id":1}
		a< {"type":"done","id":1}
		a> {"type":"subscribe","topic":"rooms.*","id":"again"}
		a< {"type":"done","id":"again"}
		b> {"type":"publish","topic":"rooms.5","data":1}
		b< {"type":"done","sent":1,"queued":0,"dropped":0}
		b> {"type":"publish","topic":"rooms","data":2}
		b< {"type":"done","sent":0,"queued":0,"dropped":0}
		b> {"type":"publish","topic":"rooms.6","data":3}
		b< {"type":"done","sent":1,"queued":0,"dropped":0}
		a< {"type":"message","topic":"rooms.5","data":1}
		a< {"type":"message","topic":"rooms.6","data":3}
	`,
	"overlapping patterns bring a message once": `
		a> {"type":"subscribe","topic":"a.b"}
		a> {"type":"subscribe","topic":"a.*"}
		a> {"type":"subscribe","topic":">"}
		a< {"type":"done"}
		a< {"type":"done"}
		a< {"type":"done"}
		a> {"type":"publish","topic":"a.b","data":null,"id":1}
		a< {"type":"message","topic":"a.b","data":null}
		a< {"type":"done","id":1,"sent":1,"queued":0,"dropped":0}
	`,
	"unsubscribe": `
		a> {"type":"subscribe","topic":"a"}
		a< {"type":"done"}
		a> {"type":"unsubscribe","topic":"a","id":1}
		a< {"type":"done","id":1}
		b> {"type":"publish","topic":"a","data":1}
		b< {"type":"done","sent":0,"queued":0,"dropped":0}
		a> {"type":"unsubscribe","topic":"a","id":2}
		a< {"type":"error","id":2,"error":"there is no such subscription"}
		a> {"type":"unsubscribe"}
		a< {"type":"error","error":"there is no such subscription"}
	`,
	"publish": `
		a> {"type":"subscribe","topic":"a"}
		a< {"type":"done"}
		b> {"type":"subscribe","topic":"a"}
		b< {"type":"done"}
		a> {"id":-1.5e3,"data": { "b" : [ "<&\u0041\ud800" , {} ] } ,"topic":"\u0061","type":"publish"}
		a< {"type":"message","topic":"a","data":{ "b" : [ "<&\u0041\ud800" , {} ] }}
		a< {"type":"done","id":-1.5e3,"sent":2,"queued":0,"dropped":0}
		b< {"type":"message","topic":"a","data":{ "b" : [ "<&\u0041\ud800" , {} ] }}
		a> {"type":"publish","topic":"a","data":"x","others":true}
		a< {"type":"done","sent":1,"queued":0,"dropped":0}
		b< {"type":"message","topic":"a","data":"x"}
		b> {"type":"publish","topic":"a","data":false,"others":false}
		b< {"type":"message","topic":"a","data":false}
		b< {"type":"done","sent":2,"queued":0,"dropped":0}
		a< {"type":"message","topic":"a","data":false}
		a> {"type":"publish","topic":"a","id":"no data"}
		a< {"type":"error","id":"no data","error":"publish needs data"}
		a> {"type":"publish","topic":"a.*","data":1}
		a< {"type":"error","error":"topic: \"a.*\": a name has no wildcards"}
		a> {"type":"publish","topic":"a b","data":1,"others":true,"id":3}
		a< {"type":"error","id":3,"error":"topic: \"a b\": blanks and control characters are not allowed"}
		a> {"type":"publish","data":1}
		a< {"type":"error","error":"topic: \"\": a token is empty"}
	`,
	"names with what JSON escapes": `
		a> {"type":"subscribe","topic":"\"é\\\u2028\ud834\udd1e<"}
		a< {"type":"done"}
		a> {"type":"publish","topic":"\"é\\\u2028𝄞<","data":1}
		a< {"type":"message","topic":"\"é\\` + "\u2028" + `𝄞<","data":1}
		a< {"type":"done","sent":1,"queued":0,"dropped":0}
		a> {"type":"count","topic":"\"é\\\u2028𝄞<"}
		a< {"type":"done","topic":"\"é\\` + "\u2028" + `𝄞<","subscribers":1}
	`,
	"what is retained comes before the answer": `
		a> {"type":"publish","topic":"kept.x","data":1}
		a< {"type":"done","sent":0,"queued":0,"dropped":0}
		a> {"type":"publish","topic":"kept.x","data":2}
		a< {"type":"done","sent":0,"queued":0,"dropped":0}
		b> {"type":"subscribe","topic":"kept.*","id":1}
		b< {"type":"message","topic":"kept.x","data":2}
		b< {"type":"done","id":1}
	`,
	"count": `
		a> {"type":"count","topic":"a.b","id":1}
		a< {"type":"done","id":1,"topic":"a.b","subscribers":0}
		a> {"type":"subscribe","topic":"a.*"}
		a< {"type":"done"}
		b> {"type":"subscribe","topic":"a.b"}
		b< {"type":"done"}
		a> {"type":"subscribe","topic":"a.b"}
		a< {"type":"done"}
		a> {"type":"count","topic":"a.b","id":2}
		a< {"type":"done","id":2,"topic":"a.b","subscribers":2}
		a> {"type":"count","topic":"a.*","id":3}
		a< {"type":"error","id":3,"error":"topic: \"a.*\": a name has no wildcards"}
		a> {"type":"count"}
		a< {"type":"error","error":"topic: \"\": a token is empty"}
	`,
	"watch": `
		a> {"type":"watch","topic":"a","id":1}
		a< {"type":"done","id":1}
		a< {"type":"count","topic":"a","subscribers":0}
		b> {"type":"subscribe","topic":"a"}
		b< {"type":"done"}
		a< {"type":"count","topic":"a","subscribers":1}
		a> {"type":"watch","topic":"a","id":"again"}
		a< {"type":"done","id":"again"}
		a> {"type":"unwatch","topic":"a","id":2}
		a< {"type":"done","id":2}
		a> {"type":"unwatch","topic":"a","id":3}
		a< {"type":"error","id":3,"error":"the topic is not watched"}
		a> {"type":"watch","topic":"*"}
		a< {"type":"error","error":"topic: \"*\": a name has no wildcards"}
		a> {"type":"watch"}
		a< {"type":"error","error":"topic: \"\": a token is empty"}
		a> {"type":"unwatch"}
		a< {"type":"error","error":"the topic is not watched"}
	`,
	"limits": `
		a> {"type":"subscribe","topic":"a"}
		a> {"type":"subscribe","topic":"b"}
		a> {"type":"subscribe","topic":"c"}
		a> {"type":"subscribe","topic":"d","id":4}
		a> {"type":"subscribe","topic":"c","id":5}
		a> {"type":"unsubscribe","topic":"a"}
		a> {"type":"subscribe","topic":"d"}
		a< {"type":"done"}
		a< {"type":"done"}
		a< {"type":"done"}
		a< {"type":"error","id":4,"error":"topic: too many subscriptions"}
		a< {"type":"done","id":5}
		a< {"type":"done"}
		a< {"type":"done"}
	`,
	"what is no request": `
		a> hello
		a< {"type":"error","error":"not JSON: invalid character 'h' looking for beginning of value"}
		a> {"id":7}
		a< {"type":"error","id":7,"error":"type \"\" is none of subscribe, unsubscribe, publish, count, watch, unwatch"}
		a> {"type":"Publish","id":8}
		a< {"type":"error","id":8,"error":"type \"Publish\" is none of subscribe, unsubscribe, publish, count, watch, unwatch"}
		a> {"tpye":"publish","id":9}
		a< {"type":"error","id":9,"error":"member \"tpye\" is unknown"}
		a> {"id":[],"type":"count","topic":"a"}
		a< {"type":"error","error":"id is neither a number nor a string of up to 64 bytes"}
		a> {"type":"subscribe","topic":"a..b"}
		a< {"type":"error","error":"topic: \"a..b\": a token is empty"}
	`,
}

func TestConversations(t *testing.T) {
	for name, script := range conversations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			converse(t, script)
		})
	}
}

func converse(t *testing.T, script string) {
	t.Helper()
	s := serve(t, &engine.Server{MaxSubscriptions: 3, Topics: []engine.Topic{{Pattern: "kept.>", Retain: true}}})
	clients := make(map[byte]*client)
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if clients[line[0]] == nil {
			clients[line[0]] = s.open()
		}
		switch c, message := clients[line[0]], line[3:]; line[1] {
		case '>':
			c.ask(message)
		case '<':
			c.expect(message)
		}
	}
	// Nothing else came.
	for _, c := range clients {
		c.ask(`{"type":"unwatch","topic":"end"}`)
		c.expect(`{"type":"error","error":"the topic is not watched"}`)
	}
}

// Many requests in one write are answered in their order, and messages of a topic come in the order in which they were published.
func TestOrder(t *testing.T) {
	for _, workers := range []int{0, 4} {
		t.Run(fmt.Sprint(workers, " workers"), func(t *testing.T) { testOrder(t, workers) })
	}
}

func testOrder(t *testing.T, workers int) {
	t.Helper()
	s := serve(t, &engine.Server{Workers: workers})
	a, b := s.open(), s.open()
	for _, c := range []*client{a, b} {
		c.do(`{"type":"subscribe","topic":"a"}`)
	}
	const n = 500
	var requests, answers, messages []string
	for i := range n {
		requests = append(requests, fmt.Sprintf(`{"type":"publish","topic":"a","data":%d,"id":%d,"others":true}`, i, i))
		answers = append(answers, fmt.Sprintf(`{"type":"done","id":%d,"sent":1,"queued":0,"dropped":0}`, i))
		messages = append(messages, fmt.Sprintf(`{"type":"message","topic":"a","data":%d}`, i))
	}
	a.ask(requests...)
	a.expect(answers...)
	b.expect(messages...)
}

// What a client sends is not answered with more than it sent, but for a limited number of bytes.
func TestAnswersAreShort(t *testing.T) {
	s := serve(t, &engine.Server{})
	c := s.open()
	long := strings.Repeat(`\u0001`, 20_000)
	for _, request := range []string{
		`{"type":"` + long + `"}`, `{"` + long + `":1}`, `{"type":"subscribe","topic":"` + long + `"}`, `{"id":"` + long + `"}`, `{"type":` + long + `}`,
		`{"type":"count","topic":"` + strings.Repeat(`a.`, 50_000) + `"}`,
	} {
		c.ask(request)
		if answer := c.message(); !strings.HasPrefix(answer, `{"type":"error","error":"`) || len(answer) > 3000 {
			t.Errorf("%.50s is answered with %d bytes: %.300s", request, len(answer), answer)
		}
	}
}

func TestBinaryRequest(t *testing.T) {
	s := serve(t, &engine.Server{})
	c := s.open()
	c.write(codec.AppendMaskedFrame(nil, true, codec.OpcodeBinary, []byte(`{"type":"count","topic":"a"}`), 0x3d21fa37))
	if first, payload := c.read(); first != 0x80|byte(codec.OpcodeClose) || payload != "\x03\xebrequests are text" {
		t.Errorf("got a frame that begins with %#x, of %q", first, payload)
	}
}

// bridge is one to nowhere.
type bridge struct {
	mu sync.Mutex
	to engine.BridgeReceiver
}

func (b *bridge) Open(to engine.BridgeReceiver) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.to = to
	return nil
}

func (b *bridge) receiver() engine.BridgeReceiver {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.to
}

func (b *bridge) Interest(string, bool)                      {}
func (b *bridge) Publish(string, codec.Opcode, []byte) error { return nil }
func (b *bridge) Close() error                               { return nil }

// Every client is told of a gap, with subscriptions or without, and messages of other servers come as those of this one.
func TestGap(t *testing.T) {
	b := &bridge{}
	s := serve(t, &engine.Server{Bridge: b})
	clients := []*client{s.open(), s.open(), s.open(), s.open()}
	clients[0].do(`{"type":"subscribe","topic":"gap"}`)
	for _, c := range clients {
		c.ask(`{"type":"count","topic":"a"}`) // and so it is known to the service
		c.expect(`{"type":"done","topic":"a","subscribers":0}`)
	}
	clients[3].end()
	s.poll("one to be gone", func() bool { return len(s.conns) == 3 })
	b.receiver().Gap()
	if err := b.receiver().Deliver("gap", codec.OpcodeText, []byte(`{"type":"message","topic":"gap","data":1}`)); err != nil {
		t.Error(err)
	}
	for _, c := range clients[:3] {
		c.expect(`{"type":"gap"}`)
	}
	clients[0].expect(`{"type":"message","topic":"gap","data":1}`)
}

// Browsers get the page.
func TestPage(t *testing.T) {
	s := serve(t, &engine.Server{})
	response, err := http.Get("http://" + s.addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 || string(body) != string(pageHTML) || !strings.Contains(string(body), "<title>wsloop topics</title>") {
		t.Errorf("%v, %v: %.100s", response, err, body)
	}
}
