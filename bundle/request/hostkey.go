package request

import (
	"io"

	"golang.org/x/crypto/ssh"

	"officiant/bundle/sshsig"
)

// HostNamespace is what an SSH key signs a request for, so that no other
// signature of it can pass for one.
const HostNamespace = "officiant-request"

const hostSigFile = "host.sig"

// HostKey vouches with the node's SSH host key. request.json does not announce
// it: the signature may be added later, by `ssh-keygen -Y sign`.
type HostKey struct{ ssh.Signer }

func (HostKey) announce(*Request, map[string][]byte) {}

func (k HostKey) vouch(rand io.Reader, raw []byte) (string, []byte, error) {
	sig, err := sshsig.Sign(rand, k.Signer, HostNamespace, raw)
	return hostSigFile, sig, err
}

// openHostKey checks the signature by an SSH key, when there is one. Whose key
// it is, only a known_hosts file can tell.
func (o *Opened) openHostKey(raw []byte, entries map[string][]byte) *Refusal {
	sig, ok := entries[hostSigFile]
	if !ok {
		return nil
	}
	key, err := sshsig.Verify(sig, HostNamespace, raw)
	if err != nil {
		return refusef(hostSigFile, "%v", err)
	}
	o.HostKey = key
	return nil
}
