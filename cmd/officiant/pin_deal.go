package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"officiant/bundle/charset"
	"officiant/bundle/seal"
	"officiant/ceremony/quorum"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
	"officiant/cmd/internal/terminal"
)

// dealing is what the commands that deal shares have in common.
type dealing struct {
	*options
	persons   []string
	threshold int
	out       string
}

func (d *dealing) flags(c *cobra.Command) {
	c.Flags().StringArrayVar(&d.persons, "person", nil,
		"`NAME` of a person who gets a share on paper, or NAME=FILE "+
			"with an SSH public key or age recipient to seal it to; in the order of the shares' numbers")
	c.Flags().IntVar(&d.threshold, "threshold", 0, "`NUMBER` of shares that open the PIN, at least 2 (required)")
	c.Flags().StringVar(&d.out, "out", "", "new `FOLDER` for the set and the sealed shares (required)")
}

// people takes --person apart.
func (d *dealing) people(ctx context.Context) (names, recipients []string, err error) {
	if d.out == "" || d.threshold == 0 || len(d.persons) == 0 {
		return nil, nil, exit.Usagef("--person for each share, --threshold and --out are needed")
	}
	if _, err := os.Lstat(d.out); err == nil {
		return nil, nil,
			exit.Usagef("--out %s already exists; the shares of a set need a new folder", d.out)
	}
	for _, p := range d.persons {
		name, file, sealed := strings.Cut(p, "=")
		recipient := ""
		if sealed {
			if recipient, err = recipientOf(ctx, file); err != nil {
				return nil, nil, exit.Usagef("--person %s: %w", name, err)
			}
		} else if err := d.printable(); err != nil {
			return nil, nil, err
		}
		names, recipients = append(names, name), append(recipients, recipient)
	}
	return names, recipients, nil
}

// recipientOf is the first recipient in a file.
func recipientOf(ctx context.Context, file string) (string, error) {
	data, err := infile.ReadFile(ctx, file, maxIdentity)
	if err != nil {
		return "", err
	}
	if data, err = charset.UTF8(data); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if what := noRecipient(line, file); what != "" {
			return "", errors.New(what)
		}
		if f := strings.Fields(line); len(f) > 2 { // an SSH key's comment
			line = f[0] + " " + f[1]
		}
		return line, seal.ValidRecipient(line)
	}
	return "", fmt.Errorf("%s holds no SSH public key and no age recipient", file)
}

// noRecipient says what a file is that begins with a line as a recipient's does not, and
// what prints the recipient; "" where it may be one.
func noRecipient(line, file string) string {
	const private = " is a private key, which stays with its owner; "
	switch {
	case strings.HasPrefix(line, "AGE-SECRET-KEY-"):
		return file + private + "`age-keygen -y " + file + "` prints the recipient to seal to"
	case strings.HasPrefix(line, "AGE-PLUGIN-"):
		return file + " is an age plugin's identity, not a recipient; the plugin printed the recipient when it " +
			"created it"
	case strings.HasPrefix(line, "-----BEGIN OPENSSH PRIVATE KEY") || strings.HasPrefix(line,
		"-----BEGIN RSA PRIVATE KEY"):
		return file + private + file + ".pub is what to seal to; `ssh-keygen -y -f " + file + "` prints it"
	case strings.HasPrefix(line, "-----BEGIN ") && strings.Contains(line, "PRIVATE KEY"):
		return file + private + "seal to an SSH public key (ssh-ed25519 or ssh-rsa), or an age recipient"
	case strings.HasPrefix(line, "---- BEGIN SSH2 PUBLIC KEY"):
		return file + " is a public key in the SSH2 form; `ssh-keygen -i -f " + file + "` prints it as OpenSSH has it"
	case strings.HasPrefix(line, "PuTTY-User-Key-File"):
		return file + private + "PuTTYgen shows its public key in OpenSSH's form"
	case strings.HasPrefix(line, "-----BEGIN "):
		return file + " is PEM; seal to an SSH public key (ssh-ed25519 or ssh-rsa), or an age recipient"
	}
	return ""
}

// printable refuses to print shares into a file.
func (d *dealing) printable() error {
	f := terminal.File(d.Stdout)
	if f == nil {
		return nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	return exit.Usagef("standard output is a file, and a share in the clear must not be on a disk; print to the " +
		"terminal, pipe it to a printer, or seal it: --person NAME=FILE")
}

// paperQR is how a QR code is drawn on what standard output is: a screen, or paper.
func (d *dealing) paperQR() string {
	if f := terminal.File(d.Stdout); f != nil && term.IsTerminal(int(f.Fd())) {
		return "blocks"
	}
	return inkQR
}

// deal deals a PIN, writes the folder, and prints the shares that go on paper.
func (d *dealing) deal(token string, people, recipients []string, pin []byte) (*quorum.Set, error) {
	set, list, err := quorum.Deal(d.Rand, token, people, d.threshold, pin)
	if err != nil {
		return nil, refusedPIN(err)
	}
	defer func() {
		for _, s := range list {
			s.Clear()
		}
	}()
	files := map[string][]byte{quorum.SetFile: set.Text(), quorum.SealedFile: quorum.SealedText(list[0].Sealed)}
	for i, s := range list {
		if recipients[i] == "" {
			continue
		}
		if files[quorum.ShareFile(s)], err = quorum.Hand(s, recipients[i]); err != nil {
			return nil, err
		}
	}
	if err := d.Disk.MkdirAll(d.out, 0o700); err != nil {
		return nil, err
	}
	for name, data := range files {
		if err := d.Disk.Create(filepath.Join(d.out, name), data, 0o600); err != nil {
			return nil, errors.Join(err, d.Disk.RemoveAll(d.out))
		}
	}
	for i, s := range list {
		if recipients[i] == "" {
			if err := writePaper(d.Stdout, set, s, d.paperQR()); err != nil {
				return nil, errors.Join(err, d.Disk.RemoveAll(d.out))
			}
		}
	}
	return set, nil
}

func (d *dealing) dealt(set *quorum.Set) error {
	terminal.Hang(
		d.Stderr,
		"",
		exit.Line(fmt.Sprintf("%s: the set, public; %s: the sealed PIN, which stays with the shares and "+
			"goes nowhere else", quorum.SetFile, quorum.SealedFile)),
	)
	showSet(d.Stderr, set)
	_, err := fmt.Fprintln(d.Stdout, d.out)
	return err
}

// writePaper prints a share as it goes into an envelope.
func writePaper(w io.Writer, set *quorum.Set, s *quorum.Share, style string) error {
	words := s.Words()
	text := fmt.Sprintf(
		"PIN share %d of %d, for %s\ntoken %s, opens with %d shares\nset   %s\n\n",
		s.Index,
		len(set.People),
		exit.Line(s.Person),
		exit.Line(set.Token),
		set.Threshold,
		set.ID().Grouped()[:19],
	)
	for line := range 8 {
		text += fmt.Sprintf("  %-12s%-12s%-12s%s\n", words[4*line], words[4*line+1], words[4*line+2],
			words[4*line+3])
	}
	text += fmt.Sprintf("  check %s\n\n", words[32])
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	if err := drawQR(w, s.Digits(), style); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\f")
	return err
}
