package approval

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"officiant/bundle/fingerprint"
	"officiant/bundle/sshsig"
)

// HeadNamespace is what a witness signs a transcript's head for.
const HeadNamespace = "officiant-transcript"

// HeadMessage is what a witness signs.
func HeadMessage(head fingerprint.SHA256) []byte {
	return fmt.Appendf(nil, "officiant transcript witness v1\n%s\n", head)
}

// Witnessed reads one witness's signature over a head, from a file of this name.
func (p People) Witnessed(head fingerprint.SHA256, file string, signature []byte) (person, key string, err error) {
	public, err := sshsig.Verify(signature, HeadNamespace, HeadMessage(head))
	if errors.Is(err, sshsig.ErrOther) {
		err = errors.New("is not a signature over this record's head: it is of another, or damaged")
	}
	if err != nil {
		return "", "", err
	}
	who, err := p.WitnessBy(public)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("is by %w", err)
	case file != who.Name+Suffix:
		return "", "", fmt.Errorf("is by %s, and has to be called %s", who.Name, who.Name+Suffix)
	}
	return who.Name, ssh.FingerprintSHA256(public), nil
}

// WitnessBy says which witness has a key.
func (p People) WitnessBy(key ssh.PublicKey) (Person, error) {
	who, ok := p.byKey(sshsig.Line(key))
	switch {
	case !ok:
		return Person{}, errors.New("a key of nobody the plan names: " + ssh.FingerprintSHA256(key))
	case who.Role != Witness:
		return Person{}, fmt.Errorf("%s, who is %s and not a witness", who.Name, who.Role)
	}
	return who, nil
}
