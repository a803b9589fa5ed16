package topics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wsloop/wsloop/engine"
)

var requests = []struct {
	message string
	want    request
	err     string // how the error begins
}{
	{message: `{"type":"subscribe","topic":"rooms.*","id":1}`, want: request{kind: "subscribe", topic: "rooms.*", id: []byte("1")}},
	{message: " {\t\"type\" :\r\n\"publish\" , \"data\":[ 1,{\"}\": \"\\\"]\"} ],\"topic\":\"a\"} \n", want: request{kind: "publish", topic: "a", data: []byte(`[ 1,{"}": "\"]"} ]`)}},
	{message: `{"data":{"type":"inner","id":[1]}}`, want: request{data: []byte(`{"type":"inner","id":[1]}`)}},
	{message: `{"data":null,"others":true}`, want: request{data: []byte("null"), others: true}},
	{message: `{"data":true,"others":false}`, want: request{data: []byte("true")}},
	{message: `{"data":-1.5e3}`, want: request{data: []byte("-1.5e3")}},
	{message: `{"data":"\ud800"}`, want: request{data: []byte(`"\ud800"`)}},
	{message: `{"data":""}`, want: request{data: []byte(`""`)}},
	{message: `{"\u0074ype":"\u0077atch","topic":"\"\\ \u00e9\ud834\udd1e\ud800"}`, want: request{kind: "watch", topic: "\"\\ é𝄞\ufffd"}},
	{message: `{}`},
	{message: "\t{ }"},
	{message: `{"id":"a"}`, want: request{id: []byte(`"a"`)}},
	{message: `{"id":"\u0041"}`, want: request{id: []byte(`"\u0041"`)}},
	{message: `{"id":-0.1E+5}`, want: request{id: []byte("-0.1E+5")}},
	{message: `{"id":"` + strings.Repeat("x", 62) + `"}`, want: request{id: []byte(`"` + strings.Repeat("x", 62) + `"`)}},
	{message: `{"id":"` + strings.Repeat("x", 63) + `"}`, err: "id is neither"},
	{message: `{"id":1` + strings.Repeat("0", 64) + `}`, err: "id is neither"},
	{message: `{"id":null}`, err: "id is neither"},
	{message: `{"id":[]}`, err: "id is neither"},
	{message: `{"id":true}`, err: "id is neither"},
	{message: `{"id":1,"id":2}`, want: request{id: []byte("1")}, err: `member "id" comes twice`},
	{message: `{"id":{},"id":2}`, err: "id is neither"},
	{message: `{"type":"a","type":"a","id":1}`, want: request{id: []byte("1")}, err: `member "type" comes twice`},
	{message: `{"topic":"a","\u0074opic":"b"}`, err: `member "topic" comes twice`},
	{message: `{"Type":"publish","id":1}`, want: request{id: []byte("1")}, err: `member "Type" is unknown`},
	{message: `{"":1}`, err: `member "" is unknown`},
	{message: `{"` + strings.Repeat("€", 1000) + `":1,"x":2,"id":3}`, want: request{id: []byte("3")}, err: `member "` + strings.Repeat("€", 21) + `"... is unknown`},
	{message: `{"type":null}`, err: "type is no string"},
	{message: `{"type":["publish"]}`, err: "type is no string"},
	{message: `{"topic":1}`, err: "topic is no string"},
	{message: `{"topic":null,"id":1}`, want: request{id: []byte("1")}, err: "topic is no string"},
	{message: `{"others":null}`, err: "others is neither"},
	{message: `{"others":"true"}`, err: "others is neither"},
	{message: `{"others":1}`, err: "others is neither"},
	{message: `[]`, err: "a request is an object"},
	{message: `"type"`, err: "a request is an object"},
	{message: `null`, err: "a request is an object"},
	{message: ` 1 `, err: "a request is an object"},
	{message: ``, err: "not JSON: unexpected end"},
	{message: ` `, err: "not JSON: unexpected end"},
	{message: `hello`, err: "not JSON: invalid character 'h'"},
	{message: `{"id":1`, err: "not JSON: unexpected end"},
	{message: `{"id":1}{"id":2}`, err: "not JSON: invalid character '{' after top-level value"},
	{message: `{"id":1,}`, err: "not JSON: "},
	{message: `{"id" 1}`, err: "not JSON: "},
	{message: `{"id":01}`, err: "not JSON: "},
	{message: `{,"id":1}`, err: "not JSON: "},
	{message: `,{"id":1}`, err: "not JSON: "},
	{message: "{\"id\":\"\n\"}", err: "not JSON: "},
	{message: "\ufeff{}", err: "not JSON: "},
	{message: `{"data":` + strings.Repeat(`[{"a":`, 50) + `"[[{"` + strings.Repeat("}]", 50) + `}`, want: request{data: []byte(strings.Repeat(`[{"a":`, 50) + `"[[{"` + strings.Repeat("}]", 50))}},
	{message: `{"data":[` + strings.Repeat("[],{},", 200) + `0]}`, want: request{data: []byte(`[` + strings.Repeat("[],{},", 200) + `0]`)}},
	{message: `{"id":1,"data":` + strings.Repeat("[", 101) + strings.Repeat("]", 101) + `}`, want: request{id: []byte("1")}, err: "data is nested deeper than 100"},
	{message: `{"data":` + strings.Repeat("[", 9999) + strings.Repeat("]", 9999) + `,"id":1}`, want: request{id: []byte("1")}, err: "data is nested deeper than 100"},
	{message: `{"data":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, err: "not JSON: invalid character '[' exceeded max depth"},
}

// same says whether two requests are the same, of which errors leave only the ID.
func same(a, b *request, err error) bool {
	if !bytes.Equal(a.id, b.id) || (a.id == nil) != (b.id == nil) {
		return false
	}
	return err != nil || a.kind == b.kind && a.topic == b.topic && bytes.Equal(a.data, b.data) && (a.data == nil) == (b.data == nil) && a.others == b.others
}

func TestParse(t *testing.T) {
	for _, test := range requests {
		got, err := parse([]byte(test.message))
		if (err == nil) != (test.err == "") || err != nil && (!strings.HasPrefix(err.Error(), test.err) || len(err.Error()) > 200) {
			t.Errorf("%.100s: error %v, want %q", test.message, err, test.err)
		}
		if !same(&got, &test.want, err) {
			t.Errorf("%.100s: %+v, want %+v", test.message, got, test.want)
		}
	}
}

// wellFormedID is what an ID is; how long it may be is besides.
var wellFormedID = regexp.MustCompile(`^(?s:".*"|-?[0-9].*)$`)

// reference is parse, by the standard library's reader.
func reference(message []byte) (r request, ok bool) {
	d := json.NewDecoder(bytes.NewReader(message))
	if first, err := d.Token(); !json.Valid(message) || err != nil || first != json.Delim('{') {
		return r, false
	}
	ok = true
	seen := make(map[string]bool)
	for d.More() {
		name, _ := d.Token()
		var value json.RawMessage
		if d.Decode(&value) != nil || seen[name.(string)] {
			ok = false
			continue
		}
		seen[name.(string)] = true
		switch name {
		case "type":
			ok = json.Unmarshal(value, &r.kind) == nil && value[0] == '"' && ok
		case "topic":
			ok = json.Unmarshal(value, &r.topic) == nil && value[0] == '"' && ok
		case "others":
			ok = json.Unmarshal(value, &r.others) == nil && value[0] != 'n' && ok
		case "data":
			r.data = value
			ok = shallow(value) && ok
		case "id":
			if wellFormedID.Match(value) && len(value) <= 64 {
				r.id = value
			} else {
				ok = false
			}
		default:
			ok = false
		}
	}
	return r, ok
}

// shallow says whether a value is nested as deep as it may be, and no deeper.
func shallow(value []byte) bool {
	d := json.NewDecoder(bytes.NewReader(value))
	for depth := 0; ; {
		switch token, err := d.Token(); {
		case err != nil:
			return true
		case token == json.Delim('[') || token == json.Delim('{'):
			if depth++; depth > 100 {
				return false
			}
		case token == json.Delim(']') || token == json.Delim('}'):
			depth--
		}
	}
}

// FuzzParse holds parse to another reader of JSON, and what is published to what was asked for.
func FuzzParse(f *testing.F) {
	for _, test := range requests {
		if len(test.message) < 1000 {
			f.Add([]byte(test.message))
		}
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		if !utf8.Valid(message) {
			return
		}
		before := bytes.Clone(message)
		got, err := parse(message)
		want, ok := reference(message)
		if ok != (err == nil) || !same(&got, &want, err) {
			t.Fatalf("%q: %+v, %v; the reference %+v, %v", message, got, err, want, ok)
		}
		if err == nil && got.kind == "publish" && got.data != nil && engine.CheckTopic(got.topic) == nil {
			checkPublished(t, message, &got)
		}
		answer := begin("error", &got).text("error", quoted(got.kind)+fmt.Sprint(err)).end()
		if !json.Valid(answer) || !utf8.Valid(answer) {
			t.Fatalf("answer %q", answer)
		}
		if !bytes.Equal(message, before) {
			t.Fatal("the message was written to")
		}
	})
}

func checkPublished(t *testing.T, message []byte, r *request) {
	t.Helper()
	sent := published(r)
	var m struct {
		Type, Topic string
		Data        json.RawMessage
	}
	if err := json.Unmarshal(sent, &m); err != nil || m.Type != "message" || m.Topic != r.topic || !bytes.Equal(m.Data, r.data) {
		t.Fatalf("%q: published %q, %v", message, sent, err)
	}
	if len(sent) > len(message) {
		t.Fatalf("%q: published %q, which is longer", message, sent)
	}
}

func TestObject(t *testing.T) {
	for _, s := range []string{"", "a.b", "\"\\", "\x00\n\x1f\x7f", "<é>&\u2028𝄞"} {
		b := object(nil).text("a", s).raw("b", []byte("[]")).number("c", -5).text("d", s).end()
		var got struct {
			A, D string
			B    []int
			C    int
		}
		if err := json.Unmarshal(b, &got); err != nil || got.A != s || got.D != s || got.B == nil || got.C != -5 {
			t.Errorf("%q: %s, %v", s, b, err)
		}
	}
}
