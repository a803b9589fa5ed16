package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ErrSchema says that what was read is no report, or one of a version that is not known.
var ErrSchema = errors.New("report: unknown schema")

// WriteJSON writes the report in one line, its named figures added. It may be read by ReadJSON.
func (r *Report) WriteJSON(w io.Writer) error {
	full := *r
	full.Schema, full.Figures = Schema, r.figures()
	return json.NewEncoder(w).Encode(&full)
}

// ReadJSON reads one report, up to the end of what is read. Its errors are of the reader, of encoding/json, or ErrSchema.
func ReadJSON(from io.Reader) (*Report, error) {
	text, err := io.ReadAll(from)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	var version struct {
		Schema *int `json:"schema"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	switch {
	case version.Schema == nil:
		return nil, fmt.Errorf("%w: there is none, so this is not a report of wsloop load", ErrSchema)
	case *version.Schema != Schema:
		return nil, fmt.Errorf("%w: the report has version %d, and this program reads version %d", ErrSchema, *version.Schema, Schema)
	}
	r := new(Report)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	r.Figures = nil
	return r, nil
}
