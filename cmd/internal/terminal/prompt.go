package terminal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// ErrNoTerminal says that a question could not be asked.
var ErrNoTerminal = errors.New("no terminal to ask on")

// Prompter asks people. Questions go to the terminal itself, so that they are
// seen even when the command's output is kept in a file.
type Prompter struct {
	In  io.Reader // standard input
	Out io.Writer // standard error
}

// Line asks for one line of text.
func (p *Prompter) Line(question string) (string, error) {
	if !p.interactive() {
		return "", ErrNoTerminal
	}
	fmt.Fprint(p.Out, question)
	line, err := bufio.NewReader(p.In).ReadString('\n')
	if err != nil && line == "" {
		return "", err
	}
	return strings.TrimSpace(line), nil
}

// Secret asks for a text that is not shown. The caller clears it.
func (p *Prompter) Secret(question string) ([]byte, error) {
	f, ok := p.In.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, ErrNoTerminal
	}
	fmt.Fprint(p.Out, question)
	secret, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(p.Out)
	return secret, err
}

func (p *Prompter) interactive() bool {
	f, ok := p.In.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
