package topics

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/engine"
)

const document = "../../docs/topics-protocol.md"

// What docs/topics-protocol.md shows is what happens.
func TestDocumentedConversation(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	script := strings.Builder{}
	for line := range strings.Lines(string(text)) {
		if line, ok := strings.CutPrefix(line, "    → "); ok {
			script.WriteString("a> " + line)
		}
		if line, ok := strings.CutPrefix(line, "    ← "); ok {
			script.WriteString("a< " + line)
		}
	}
	if lines := strings.Count(script.String(), "\n"); lines != 5 {
		t.Fatalf("%d lines, want 5:\n%s", lines, &script)
	}
	converse(t, script.String())
}

// The client that docs/topics-protocol.md shows works, by the WebSocket of Node.js.
func TestDocumentedClient(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	const flag = "--experimental-websocket" // which 20 needs, and later ones take
	if out, err := exec.CommandContext(t.Context(), node, flag, "-p", "typeof WebSocket").Output(); err != nil || string(out) != "function\n" {
		t.Skip("node has no WebSocket")
	}
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(text), "```js\n")
	code, _, _ = strings.Cut(code, "```\n")
	const url = "ws://localhost:8080/"
	if strings.Count(code, url) != 1 || strings.Count(code, "\n") > 25 {
		t.Fatalf("the client is:\n%s", code)
	}
	s := serve(t, &engine.Server{})
	client := exec.CommandContext(t.Context(), node, flag, "--input-type=module", "-e", strings.Replace(code, url, "ws://"+s.addr+"/", 1))
	client.Stderr = os.Stderr
	out, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	defer client.Wait()
	defer client.Process.Kill()
	wanted := map[string]bool{
		`message { topic: 'rooms.5', data: { text: 'hello' } }`: true,
		`{ sent: 1, queued: 0, dropped: 0 }`:                    true,
		`count { topic: 'rooms.5', subscribers: 1 }`:            true,
		`topic: "rooms.*": a name has no wildcards`:             true,
	}
	for lines := bufio.NewScanner(out); len(wanted) > 0; {
		if !lines.Scan() || !wanted[lines.Text()] {
			t.Fatalf("got %q, %v; want %v", lines.Text(), lines.Err(), wanted)
		}
		delete(wanted, lines.Text())
	}
}
