package terminal

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Color says when a screen's marks have a colour: people see at a glance what was refused
// and what is done. Nothing depends on it: the words stand there all the same.
type Color string

const (
	Auto   Color = "auto"   // on a terminal, unless NO_COLOR is set or TERM is dumb
	Always Color = "always" // in a pipe as well
	Never  Color = "never"
)

// Choices are the values of --color.
var Choices = []string{string(Auto), string(Always), string(Never)}

// Set, String and Type make it the value of a flag.
func (c *Color) Set(text string) error {
	for _, known := range Choices {
		if text == known {
			*c = Color(text)
			return nil
		}
	}
	return fmt.Errorf("it is auto, always or never")
}

func (c *Color) String() string { return string(*c) }
func (c *Color) Type() string   { return "auto|always|never" }

// Paint has a screen use colours or not; other writers have none.
func Paint(w io.Writer, c Color) {
	s, ok := loud(w).(*Screen)
	if !ok || c == Auto {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.painted = c == Always
}

// Colors gives terminals colours unless the environment wants none: https://no-color.org.
func Colors(getenv func(string) string, screens ...*Screen) {
	may := getenv("NO_COLOR") == "" && getenv("TERM") != "dumb" && getenv("TERM") != ""
	for _, s := range screens {
		s.painted = may && IsTerminal(s.out)
	}
}

const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

// mark is the word a line begins with that says how it went. A colon or a gap parts it
// from what it is about; a sentence, or a script, may begin with such a word otherwise.
var mark = regexp.MustCompile(`^\s*(officiant(?:-[a-z]+)*:|(?:FAIL|refused|finding|warning|ok|done)(?:: |  ))`)

// paint gives a line's mark its colour.
func paint(line string) string {
	at := mark.FindStringSubmatchIndex(line)
	if at == nil {
		return line
	}
	color := red
	word := strings.TrimRight(line[at[2]:at[3]], " ")
	switch word {
	case "ok", "done":
		color = green
	case "warning:", "warning":
		color = yellow
	}
	return line[:at[2]] + color + word + plain + line[at[2]+len(word):]
}
