package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"officiant/bundle/seal"
	"officiant/ceremony/quorum"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
	"officiant/cmd/internal/terminal"
)

func newPINCommand(o *options) *cobra.Command {
	return exit.Group(&cobra.Command{
		Use:   "pin",
		Short: "Split a token's PIN into shares, so that nobody has it alone",
	}, newPINSplitCommand(o), newPINCheckCommand(o), newPINDrillCommand(o), newPINShowCommand(o), newPINReshareCommand(o))
}

// refusedPIN is an error about what people gave: nothing was done with it.
func refusedPIN(err error, hints ...string) error {
	return &exit.Error{Code: exit.Refused, Err: err, Hints: hints}
}

// openSet reads the folder of a set.
func openSet(folder string) (*quorum.Set, []byte, error) {
	set, sealed, err := quorum.Folder(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, exit.Usagef("%s has no %s: officiant pin split did not make it", folder, quorum.SetFile)
	}
	if err != nil {
		return nil, nil, refusedPIN(err)
	}
	return set, sealed, nil
}

// shares takes people's shares of one set, at the terminal.
type shares struct {
	*options
	prompter terminal.Prompter
	set      *quorum.Set
}

func newShares(o *options, set *quorum.Set) *shares {
	return &shares{o, terminal.Prompter{In: o.Stdin, Out: o.Stderr}, set}
}

// openPIN takes shares until they are enough, and opens the PIN. sealed is nil when
// no file had it: then it comes with the shares.
func (s *shares) openPIN(ctx context.Context, sealed []byte) ([]byte, *quorum.Collector, error) {
	c := &quorum.Collector{Set: s.set}
	fmt.Fprintf(s.Stderr, "%s\n", exit.Line(fmt.Sprintf("The PIN of %s takes %d of these people's shares: %s.",
		s.set.Token, s.set.Threshold, strings.Join(s.set.People, ", "))))
	var given []string
	for c.Missing() > 0 {
		share, err := s.one(ctx, fmt.Sprintf("Share %d of %d, its number or its file: ", s.set.Threshold-c.Missing()+1,
			s.set.Threshold), c.Add)
		if err == nil && share == nil {
			err = tooFew(s.set, given)
		}
		if err != nil {
			c.Clear()
			return nil, nil, err
		}
		given = append(given, share.Person)
		if sealed == nil && len(share.Sealed) > 0 {
			sealed = share.Sealed
		}
	}
	if sealed == nil {
		c.Clear()
		return nil, nil, refusedPIN(
			fmt.Errorf("the sealed PIN is missing: there is no %s beside %s, and shares on paper do not "+
				"have it", quorum.SealedFile, quorum.SetFile),
			"put "+quorum.SealedFile+" into the folder of the set",
		)
	}
	pin, err := c.Open(sealed)
	if err != nil {
		c.Clear()
		return nil, nil, refusedPIN(err)
	}
	return pin, c, nil
}

// tooFew is what people are told who end before enough of them gave their shares.
func tooFew(set *quorum.Set, given []string) error {
	have := "none was given"
	if len(given) > 0 {
		have = "only that of " + strings.Join(given, ", ") + " was given"
	}
	return &exit.Error{Code: exit.Declined,
		Err: fmt.Errorf("the PIN of %s takes %d shares, and %s: nothing was opened", set.Token, set.Threshold, have),
		Hints: []string{"run the same command again when enough of these are here: " +
			strings.Join(set.People, ", ")}}
}

// one asks for one share until take takes it; nil when the line was left empty.
func (s *shares) one(ctx context.Context, question string, take func(*quorum.Share) error) (*quorum.Share, error) {
	for {
		answer, err := s.prompter.Line(ctx, question)
		if err != nil || answer == "" {
			return nil, err
		}
		share, err := s.share(ctx, answer)
		if err == nil {
			err = take(share)
		}
		if err == nil {
			fmt.Fprintf(s.Stderr, "    %s\n", exit.Line(fmt.Sprintf("share %d, %s: right", share.Index, share.Person)))
			return share, nil
		}
		if ctx.Err() != nil || errors.Is(err, terminal.ErrNoTerminal) {
			return nil, err
		}
		terminal.Hang(s.Stderr, "    ", exit.Line(err.Error()))
	}
}

// maxShare is above any sealed share, and any minutes of a drill.
const maxShare = 64 << 10

// share is the one that an answer names: a number, whose words are typed, or a file.
func (s *shares) share(ctx context.Context, answer string) (*quorum.Share, error) {
	for i, person := range s.set.People {
		if answer != fmt.Sprint(i+1) {
			continue
		}
		words, err := s.prompter.Secret(ctx, exit.Line(fmt.Sprintf("Words of share %s, %s, and the four digits after them "+
			"(not shown): ", answer, person)))
		if err != nil {
			return nil, err
		}
		defer clear(words)
		return s.set.ParseWords(i+1, string(words))
	}
	sealed, err := infile.ReadFile(ctx, answer, maxShare)
	if err != nil {
		return nil, fmt.Errorf("%q is neither a number from 1 to %d nor a file: %w", answer, len(s.set.People), err)
	}
	path, err := s.prompter.Line(ctx, "Its person's age identity or SSH private key, a file: ")
	if err != nil {
		return nil, err
	}
	return s.open(ctx, answer, sealed, path)
}

// open opens a sealed share with the identity in a file.
func (s *shares) open(ctx context.Context, name string, sealed []byte, path string) (*quorum.Share, error) {
	identity, err := s.identity(ctx, path)
	if err != nil {
		return nil, err
	}
	share, err := quorum.OpenShare(identity, sealed)
	if errors.Is(err, seal.ErrNotForUs) {
		return nil, fmt.Errorf("%s is not sealed to the key in %s", name, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return share, nil
}

// identity reads an age identity, or an SSH key and the passphrase it may have.
func (s *shares) identity(ctx context.Context, path string) (string, error) {
	data, err := infile.ReadFile(ctx, path, maxIdentity)
	if err != nil {
		return "", err
	}
	defer clear(data)
	if _, err := ssh.ParseRawPrivateKey(data); err != nil {
		if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
			return s.unlock(ctx, path, data)
		}
	} else {
		return string(data), nil
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "AGE-SECRET-KEY-") {
			return line, nil
		}
	}
	return "", fmt.Errorf("%s holds neither an age identity nor an SSH private key", path)
}

func (s *shares) unlock(ctx context.Context, path string, data []byte) (string, error) {
	passphrase, err := s.prompter.Secret(ctx, exit.Line(fmt.Sprintf("Passphrase of %s: ", path)))
	if err != nil {
		return "", err
	}
	defer clear(passphrase)
	return unlockIdentity(path, data, passphrase)
}

// unlockIdentity is an SSH private key without its passphrase, in memory alone.
func unlockIdentity(path string, data, passphrase []byte) (string, error) {
	key, err := ssh.ParseRawPrivateKeyWithPassphrase(data, passphrase)
	if err != nil {
		return "", fmt.Errorf("%s does not open with this passphrase", path)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return "", fmt.Errorf("%s: is not a key that shares are sealed to", path)
	}
	return string(pem.EncodeToMemory(block)), nil
}
