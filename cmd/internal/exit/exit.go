// Package exit turns what a command ends with into what a person reads on
// standard error and a script gets as exit code, the same for both programs.
package exit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes are a promise to scripts; docs/exit-codes.md lists them.
const (
	Done        = 0
	Failure     = 1
	Usage       = 2
	Refused     = 3
	Unverified  = 4
	Unavailable = 5
	Declined    = 6
	Expiring    = 7
	Awaiting    = 8
	NothingDue  = 9
	Abandoned   = 10
	Interrupted = 130
)

// Error carries the exit code a command decided on itself.
type Error struct {
	Code  int
	Err   error    // nil: the command has said everything already
	Hints []string // what to do next, a line each
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Code)
	}
	return e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Usagef says what is wrong with a command line.
func Usagef(format string, args ...any) error {
	return &Error{Code: Usage, Err: fmt.Errorf(format, args...)}
}

// Exists says that a file a command is to write is there already.
func Exists(format string, args ...any) error {
	return &Error{Code: Usage, Err: fmt.Errorf(format, args...), Hints: []string{}}
}

// ExactArgs refuses a wrong number of arguments as a usage error.
func ExactArgs(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return Usagef("%s takes %s", Below(c), what)
		}
		return nil
	}
}

// Below is a command's name without the program's, which begins each error anyway; the
// program's own alone.
func Below(c *cobra.Command) string {
	return strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
}

// Group makes c a command that only holds others.
func Group(c *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknown("command", c, args[0])
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		var names []string
		for _, sub := range c.Commands() {
			names = append(names, sub.Name())
		}
		if c == c.Root() { // whose name is before each error already
			return Usagef("needs a command: %s", strings.Join(names, ", "))
		}
		return Usagef("%s needs a command: %s", Below(c), strings.Join(names, ", "))
	}
	c.AddCommand(commands...)
	return c
}

// Run runs a program's root command and returns its exit code. codeOf decides
// the code of errors that are not an *Error, and says what to do next.
func Run(ctx context.Context, root *cobra.Command, stderr io.Writer, codeOf func(error) (int, []string)) int {
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetFlagErrorFunc(flagError)
	asked := helpFor(root)
	usageArgs(root)
	usageFlags(root)
	c, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = asked.err
	}
	if err == nil {
		return Done
	}
	code, hints := Of(c, err, codeOf)
	switch {
	case code == Failure && names(c, err):
		code = Usage
	case code == Refused && diskFailed(err):
		code = Failure
	}
	var own *Error
	if !errors.As(err, &own) || own.Err != nil {
		fmt.Fprintf(
			stderr,
			"%s: %s\n",
			root.Name(),
			strings.ReplaceAll(strings.TrimRight(Plain(said(c, err)), "\n"), "\n", "\n  "),
		)
	}
	for _, h := range hints {
		fmt.Fprintf(stderr, "  %s\n", Line(h)) // a subject, say, that others wrote
	}
	return code
}

// said is what a person reads of an error of a command. Of a file that is not there, nobody
// asked whether open or lstat found that out; what a person stopped was interrupted, and
// the text says what that was.
func said(c *cobra.Command, err error) string {
	text := err.Error()
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		text = strings.ReplaceAll(text, failed.Error(), flagOf(c, err, failed.Path)+failed.Path+": "+reason(failed))
		if names(c, err) && errors.Is(err, fs.ErrNotExist) && linkTo(failed.Path) == "" {
			text += nearby(failed.Path)
		}
	}
	if !errors.Is(err, context.Canceled) {
		return text
	}
	if text == context.Canceled.Error() {
		text = Below(c)
	}
	text = strings.TrimSuffix(text, ": "+context.Canceled.Error())
	if !strings.Contains(text, "interrupted") {
		text += ": interrupted"
	}
	return text
}

// usageArgs makes what cobra itself says of a number of arguments a usage error.
func usageArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			if own := (*Error)(nil); err != nil && !errors.As(err, &own) {
				return Usagef("%s: %v", Below(c), err)
			}
			return err
		}
	}
	for _, sub := range c.Commands() {
		usageArgs(sub)
	}
}

// usageFlags makes a flag that is missing a usage error, before cobra says it in its way.
func usageFlags(c *cobra.Command) {
	before := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		if err := c.ValidateRequiredFlags(); err != nil {
			return Usagef("%s: %v", Below(c), err)
		}
		if before != nil {
			return before(c, args)
		}
		return nil
	}
	for _, sub := range c.Commands() {
		usageFlags(sub)
	}
}

// Of returns the exit code and hints of the error a command ended with.
func Of(c *cobra.Command, err error, codeOf func(error) (int, []string)) (int, []string) {
	var own *Error
	switch {
	case !errors.As(err, &own):
		return codeOf(err)
	case own.Code == Usage && own.Hints == nil:
		return Usage, []string{"see: " + helpOf(c) + " --help"}
	}
	return own.Code, own.Hints
}

// helpOf is the command whose help says more: help itself has none to give.
func helpOf(c *cobra.Command) string {
	if c.Name() == "help" {
		return c.Root().Name()
	}
	return c.CommandPath()
}
