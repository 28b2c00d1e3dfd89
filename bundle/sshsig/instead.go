package sshsig

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// instead says what a line is that is no public key: people give a key as some file of
// OpenSSH has it, and know best what they gave.
func instead(line string) error {
	fields := strings.Fields(line)
	switch {
	case len(fields) == 0:
		return errors.New("is not an SSH public key, as a .pub file has it: it is empty")
	case strings.HasPrefix(line, "-----BEGIN") && strings.Contains(line, "PRIVATE KEY"):
		return errors.New("is a private key; ssh-keygen -y -f FILE prints the public one, which belongs here. " +
			"Whoever has read this has the private key: make another")
	case strings.HasPrefix(fields[0], "SHA256:"), strings.HasPrefix(fields[0], "MD5:"):
		return errors.New("is a fingerprint, by which no signature can be verified: give the line of the .pub file")
	case strings.HasSuffix(fields[0], ".pub") && len(fields) == 1:
		return errors.New("is the name of a file: give the line that is in it")
	}
	for i, f := range fields {
		kind := kindOf(f)
		switch {
		case kind == "":
		case i == 0:
			return fmt.Errorf("lacks its kind: write %s before it, as the .pub file has it", kind)
		case fields[i-1] == kind && i > 1:
			return before(fields[0])
		case fields[i-1] != kind:
			return fmt.Errorf("says %.40q, and the base64 after it is a key of the kind %s", fields[i-1], kind)
		}
	}
	return errors.New("is not an SSH public key, as a .pub file has it")
}

// before is what stands before a key in other files of OpenSSH: options in authorized_keys,
// a name in allowed_signers and known_hosts.
func before(word string) error {
	return fmt.Errorf("has %.40q before its kind: give kind and base64 alone", word)
}

// kindOf is the kind of key that base64 has; empty for what is no key.
func kindOf(text string) string {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return ""
	}
	key, err := ssh.ParsePublicKey(raw)
	if err != nil {
		return ""
	}
	return key.Type()
}
