package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// ErrNoTerminal says that a question could not be asked.
var ErrNoTerminal = errors.New("no terminal to ask on")

// ErrNoAnswer says that the terminal's input ended, as Ctrl-D ends it.
var ErrNoAnswer = errors.New("the input ended before an answer was typed")

// answered has an end of the input say what it ended.
func answered(err error) error {
	if errors.Is(err, io.EOF) {
		return ErrNoAnswer
	}
	return err
}

// Prompter asks people. Questions go to the terminal itself, so that they are
// seen even when the command's output is kept in a file.
type Prompter struct {
	In  io.Reader // standard input
	Out io.Writer // standard error
}

// Line asks for one line of text. It ends with ctx: Ctrl-C is heard at a prompt.
func (p *Prompter) Line(ctx context.Context, question string) (string, error) {
	fd, err := p.terminal()
	if err != nil {
		return "", err
	}
	p.show(question)
	line, err := until(ctx, fd, func() (string, error) { return bufio.NewReader(p.In).ReadString('\n') })
	if err != nil && line == "" {
		fmt.Fprintln(loud(p.Out))
		return "", answered(err)
	}
	return strings.TrimSpace(line), nil
}

// Hide has a terminal not show what is typed until show is called: a secret may be asked
// for soon, and people are quick. Without a terminal it does nothing.
func (p *Prompter) Hide() (show func()) {
	fd, err := p.terminal()
	if err != nil {
		return func() {}
	}
	shown, err := term.GetState(fd)
	if err != nil || hide(fd) != nil {
		return func() {}
	}
	return func() { _ = term.Restore(fd, shown) }
}

// Secret asks for a text that is not shown, and takes nothing that was typed before it was
// asked for. The caller clears it.
func (p *Prompter) Secret(ctx context.Context, question string) ([]byte, error) {
	fd, err := p.terminal()
	if err != nil {
		return nil, err
	}
	shown, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	if err := hide(fd); err != nil { // before it is asked for: people are quick
		return nil, err
	}
	p.show(question)
	secret, err := until(ctx, fd, func() ([]byte, error) { return term.ReadPassword(fd) })
	err = errors.Join(answered(err), term.Restore(fd, shown))
	fmt.Fprintln(loud(p.Out))
	return secret, err
}

func (p *Prompter) show(question string) {
	if q, ok := p.Out.(*Quiet); ok {
		q.release()
	}
	fmt.Fprint(loud(p.Out), question)
	flush(loud(p.Out))
}

// terminal is standard input, when people sit at it.
func (p *Prompter) terminal() (fd int, err error) {
	f, ok := p.In.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, ErrNoTerminal
	}
	return int(f.Fd()), nil
}
