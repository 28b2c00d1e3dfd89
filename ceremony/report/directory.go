package report

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"officiant/ceremony/audit"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// Directory reads the record in a ceremony directory line by line, because minutes show
// every line. Lines that cannot be read are the audit's to report.
func Directory(dir string) (*Minutes, error) {
	record := filepath.Join(dir, "transcript.jsonl")
	if _, err := os.Stat(record); err != nil {
		return nil, fmt.Errorf("%s is not a ceremony directory: %w", dir, err)
	}
	found, err := audit.Verify(dir, audit.Options{})
	if err != nil {
		return nil, err
	}
	m := &Minutes{Audit: found}
	data, err := transcript.ReadFile(record)
	if errors.As(err, new(*transcript.Broken)) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	whole := data[:bytes.LastIndexByte(data, '\n')+1] // a killed process leaves a line without an end
	if m.Record, err = transcript.Read("transcript.jsonl", whole); err != nil {
		m.Record = nil
		return m, nil
	}
	c, err := schedule.OpenFS(os.DirFS(dir), "plan.yaml", schedule.Options{Now: m.Open().NotBefore})
	if err == nil && m.Open().Rehearsal {
		c, err = c.Rehearsal()
	}
	if err == nil {
		m.Plan = c
	}
	return m, nil
}
