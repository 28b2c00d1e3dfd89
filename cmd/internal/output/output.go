// Package output is how commands print facts: -o table for people, json and yaml for
// programs, the same fields in both. Lists that are long or have a form of their own
// (CSV, Prometheus) are one more format of the command that has them.
package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle/nearest"
)

// The formats of every command that prints facts.
const (
	Table Format = "table"
	JSON  Format = "json"
	YAML  Format = "yaml"
)

// Format is one that was asked for.
type Format string

// Fields says whether a program reads what is written, and not a person.
func (f Format) Fields() bool { return f == JSON || f == YAML }

// Flag gives a command its -o, whose usage names what a shell completes; more are formats that only this command has.
func Flag(c *cobra.Command, f *Format, more ...Format) {
	*f = Table
	known := append([]Format{Table, JSON, YAML}, more...)
	c.Flags().VarP(&value{f, known}, "output", "o", "`FORMAT` of the result: "+listed(known))
}

// value refuses a format there is not while flags are read.
type value struct {
	format *Format
	known  []Format
}

func (v *value) String() string {
	if v.format == nil { // cobra asks a zero value what its default is
		return ""
	}
	return string(*v.format)
}

func (*value) Type() string { return "string" }

func (v *value) Set(text string) error {
	if !slices.Contains(v.known, Format(text)) {
		return fmt.Errorf("-o is %s%s", listed(v.known), nearest.Among(Format(text), v.known...))
	}
	*v.format = Format(text)
	return nil
}

func listed(formats []Format) string {
	var names []string
	for _, f := range formats {
		names = append(names, string(f))
	}
	n := len(names) - 1
	return strings.Join(names[:n], ", ") + " or " + names[n]
}

// Write writes v in a format that programs read. YAML has the fields of JSON, in
// their order.
func (f Format) Write(w io.Writer, v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	out := text.Bytes()
	if f == YAML {
		var err error
		if out, err = toYAML(out); err != nil {
			return err
		}
	}
	_, err := w.Write(out)
	return err
}
