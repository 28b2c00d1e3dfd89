package completion

import (
	"slices"
	"testing"
)

func TestChoices(t *testing.T) {
	for usage, want := range map[string][]string{
		"FORMAT of the result: table or json":                  {"table", "json"},
		"FORMAT of the result: table, json or csv":             {"table", "json", "csv"},
		"table, json or prometheus":                            {"table", "json", "prometheus"},
		"draw it: STYLE blocks, ascii or none":                 nil,
		"draw it: blocks, ascii or none (default: none)":       {"blocks", "ascii", "none"},
		"where the ceremony DIR will be; it need not exist":    nil,
		"TEXT: why, for the record; with --waive":              nil,
		"least grade: software or another one, as you like it": nil,
	} {
		if got := Choices(usage); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", usage, got, want)
		}
	}
}
