package main

import (
	_ "embed"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"officiant/bundle/nearest"
	"officiant/cmd/internal/exit"
)

// Schemas of the two YAML files, for editors; a test makes them of the Go types that
// read the files.
var (
	//go:embed schema/plan.schema.json
	planSchema []byte
	//go:embed schema/station.schema.json
	stationSchema []byte
)

// planSchemaFile is the name that the first line of a new plan has for its schema.
const planSchemaFile = "plan.schema.json"

func newSchemaCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "schema plan|station",
		Short: "Print the JSON Schema of a plan or a station, for editors",
		Long: `Print the JSON Schema of plan.yaml or station.yaml. Editors that support it complete
fields and mark unknown ones. A new plan's first line names it, and the schema is beside
the plan:

  # yaml-language-server: $schema=plan.schema.json

It is not an input of the plan. "ceremony check" makes the checks that a schema cannot
express.`,
		Args:      exit.ExactArgs(1, "plan or station"),
		ValidArgs: []string{"plan", "station"},
		RunE: func(_ *cobra.Command, args []string) error {
			schema := map[string][]byte{"plan": planSchema, "station": stationSchema}[args[0]]
			if schema == nil {
				return exit.Usagef("officiant schema %q: plan or station%s", args[0],
					nearest.Among(args[0], "plan", "station"))
			}
			_, err := o.Stdout.Write(schema)
			return err
		},
	}
}

// placeSchema puts the schema beside a new plan, unless there is one.
func placeSchema(o *options, folder string) error {
	err := o.Disk.Create(filepath.Join(folder, planSchemaFile), planSchema, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
