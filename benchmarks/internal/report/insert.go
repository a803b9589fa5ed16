package report

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// Markers stand in lines of their own. The name of a section may follow; without one, all are meant.
//
//	<!-- bench:begin cpu -->
//	<!-- bench:end -->
var marker = regexp.MustCompile(`(?m)^<!-- bench:(begin|end)(?: ([a-z]+))? -->[ \t\r]*$`)

// Insert puts sections between the markers of a document in Markdown, in the place of what is there, and returns
// the document. With the same runs, a second time changes nothing. A document without markers, with one that lacks its partner or with
// an unknown section is an error, and is left as it is.
func (r *Report) Insert(document []byte) ([]byte, error) {
	var out bytes.Buffer
	copied, open := 0, "" // open is the marker that has begun
	for _, at := range marker.FindAllSubmatchIndex(document, -1) {
		line := strings.TrimSpace(string(document[at[0]:at[1]]))
		begins := string(document[at[2]:at[3]]) == "begin"
		if begins == (open != "") || !begins && at[4] >= 0 {
			return nil, fmt.Errorf("report: line %d: %s does not belong there", 1+bytes.Count(document[:at[0]], []byte("\n")), line)
		}
		if !begins {
			out.Write(document[at[0]:at[1]])
			copied, open = at[1], ""
			continue
		}
		name := ""
		if at[4] >= 0 {
			name = string(document[at[4]:at[5]])
		}
		text, err := r.section(name)
		if err != nil {
			return nil, err
		}
		out.Write(document[copied:at[1]])
		out.WriteString("\n\n" + text + "\n")
		open = line
	}
	switch {
	case open != "":
		return nil, fmt.Errorf("report: %s has no end", open)
	case copied == 0:
		return nil, fmt.Errorf("report: no markers such as <!-- bench:begin %s -->", sections[0].name)
	}
	out.Write(document[copied:])
	return out.Bytes(), nil
}
