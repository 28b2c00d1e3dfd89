// Package completion says what a shell may complete, beyond commands and flags,
// which cobra knows. It reads that from where people read it, too, so that the two
// cannot differ:
//
//   - A flag whose usage ends in ": A, B or C" takes one of these.
//   - A flag whose value is called DIR takes a folder; a station FILE ends in .yaml.
//   - A command whose first argument is called PLAN takes a YAML file, DIR a folder,
//     BUNDLE a tar or a folder.
//
// What cannot be read there, the caller gives by the flag's name.
package completion

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Add tells cobra what arguments and flags of all commands below root take. given are
// the values of flags by name.
func Add(root *cobra.Command, given map[string][]string) {
	for _, c := range root.Commands() {
		Add(c, given)
	}
	if root.ValidArgsFunction == nil && len(root.ValidArgs) == 0 {
		root.ValidArgsFunction = arguments(root.Use)
	}
	look := func(f *pflag.Flag) {
		if complete := values(f, given[f.Name]); complete != nil {
			// An error says that a flag is not there, or has a function already.
			_ = root.RegisterFlagCompletionFunc(f.Name, complete)
		}
	}
	root.Flags().VisitAll(look)
	root.PersistentFlags().VisitAll(look)
}

// choices end a usage: "FORMAT of the result: table, json or csv".
var choices = regexp.MustCompile(`(?:^|: )([a-z0-9-]+(?:, [a-z0-9-]+)* or [a-z0-9-]+)(?: \(|$)`)

var (
	yamlFile = regexp.MustCompile(`^station FILE\b`) // begins a usage
	yamls    = []string{"yaml", "yml"}
)

// Choices are the values that a usage says a flag takes; none when it says none.
func Choices(usage string) []string {
	m := choices.FindStringSubmatch(usage)
	if m == nil {
		return nil
	}
	return strings.Split(strings.Replace(m[1], " or ", ", ", 1), ", ")
}

func values(f *pflag.Flag, given []string) cobra.CompletionFunc {
	called, usage := pflag.UnquoteUsage(f)
	if given == nil {
		given = Choices(usage)
	}
	switch {
	case given != nil && f.Value.Type() == "stringSlice":
		return several(given)
	case given != nil:
		return cobra.FixedCompletions(given, cobra.ShellCompDirectiveNoFileComp)
	case called == "DIR":
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	case called == "FILE" && yamlFile.MatchString(usage):
		return cobra.FixedCompletions(yamls, cobra.ShellCompDirectiveFilterFileExt)
	case f.Value.Type() == "bool" || called == "FILE" || called == "PATH":
		return nil
	}
	return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveNoFileComp)
}

// several completes the last of several values, which commas separate.
func several(given []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) (list []string, _ cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		for _, value := range given {
			list = append(list, before+value)
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// arguments completes what a use line says comes first.
func arguments(use string) cobra.CompletionFunc {
	words := strings.Fields(use)
	if len(words) < 2 {
		return cobra.NoFileCompletions
	}
	switch strings.TrimSuffix(strings.Trim(words[1], "[]"), "...") {
	case "PLAN":
		return cobra.FixedCompletions(yamls, cobra.ShellCompDirectiveFilterFileExt)
	case "DIR":
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	case "BUNDLE":
		return cobra.FixedCompletions([]string{"tar"}, cobra.ShellCompDirectiveFilterFileExt)
	}
	return cobra.NoFileCompletions
}
