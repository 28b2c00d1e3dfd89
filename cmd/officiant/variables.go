package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"officiant/cmd/internal/exit"
)

// ceremoniesVariable names the folder that holds a cluster's ceremonies.
const ceremoniesVariable = "OFFICIANT_CEREMONIES"

// variables stand in for flags that are the same in each command of a room or a desk.
// No new plan takes what it continues from the environment: that is the plan's to say.
var variables = []exit.Variable{
	{Name: "OFFICIANT_STATION", Flag: "station", Except: []string{"softhsm init"}},
	{Name: "OFFICIANT_RELEASE_KEY", Flag: "release-key"},
	{Name: ceremoniesVariable, Flag: "previous", Of: []string{"ceremony verify", "doctor"}},
}

const directoriesHelp = `

Without DIR, $` + ceremoniesVariable + ` is used: the folder that holds the cluster's ceremonies.`

// someDirectories wants ceremony directories, or the variable in their place.
func (o *options) someDirectories(c *cobra.Command, args []string) error {
	if len(args) == 0 && o.ceremonies() == "" {
		return exit.Usagef("%s takes one ceremony directory or more, or $%s", exit.Below(c), ceremoniesVariable)
	}
	return nil
}

func (o *options) ceremonies() string {
	if o.Getenv == nil {
		return ""
	}
	return o.Getenv(ceremoniesVariable)
}

// directories are those given, or the folder that the environment names.
func (o *options) directories(args []string) []string {
	if len(args) > 0 {
		return args
	}
	fmt.Fprintf(o.Stderr, "ceremonies in %s, from $%s\n", exit.Line(o.ceremonies()), ceremoniesVariable)
	return []string{o.ceremonies()}
}
