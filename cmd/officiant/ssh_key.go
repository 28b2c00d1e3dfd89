package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"officiant/bundle/sshsig"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
	"officiant/cmd/internal/terminal"
)

// maxIdentity is above any file with a key of SSH or age.
const maxIdentity = 64 << 10

// openSSHKey reads a private key file, and asks for its passphrase if it has one.
// Keys of an agent and security keys are ssh-keygen's to sign with: --print says how.
func openSSHKey(ctx context.Context, o *options, file string) (ssh.Signer, error) {
	data, err := infile.ReadFile(ctx, file, maxIdentity)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	key, err := ssh.ParsePrivateKey(data)
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		p := terminal.Prompter{In: o.Stdin, Out: o.Stderr}
		passphrase, asked := p.Secret(ctx, exit.Line(fmt.Sprintf("Passphrase of %s: ", file)))
		if asked != nil {
			return nil, &exit.Error{Code: exit.Usage, Err: fmt.Errorf("passphrase of %s: %w", file, asked), Hints: []string{printHint}}
		}
		defer clear(passphrase)
		if key, err = ssh.ParsePrivateKeyWithPassphrase(data, passphrase); err != nil {
			return nil, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s does not open with this passphrase", file)}
		}
	}
	if err != nil { // what it says could repeat what is in the file
		return nil, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s is not an SSH private key that can sign here", file), Hints: []string{printHint}}
	}
	if _, err := sshsig.ParseKey(sshsig.Line(key.PublicKey())); err != nil {
		return nil, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s: %w", file, err)}
	}
	return key, nil
}

const printHint = "for a security key, or a key in an agent: --print shows the ssh-keygen command"
