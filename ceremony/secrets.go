package ceremony

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/seal"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// sealServiceAccount makes the service-account pair in memory and leaves it
// sealed to the control-plane nodes. Only a sealed file that is on record is
// used: one without its line belonged to a process that was killed, and its
// pair is made anew.
func sealServiceAccount(_ context.Context, r *run) error {
	if r.state.sealed != nil {
		return r.checkSealed()
	}
	if err := r.Disk.MkdirAll(filepath.Join(r.Dir, "secrets"), 0o755); err != nil {
		return err
	}
	key, err := serviceAccountKey(r)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	defer clear(der)
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	defer clear(secret)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	recipients := r.recipients()
	sealed, err := seal.Seal(recipients, secret)
	if err != nil {
		return err
	}
	path := filepath.Join(r.Dir, sealedKeyFile)
	if err := r.Disk.Replace(path, sealed, 0o644); err != nil {
		return err
	}
	r.Watch.Say(fmt.Sprintf("sealed to %s", count(len(recipients), "node")))
	_, err = r.record(transcript.Sealed{
		Secret: "service-account", File: sealedKeyFile, SHA256: fingerprint.Of(sealed), Recipients: recipients, PublicKey: public,
	})
	return err
}

// carryServiceAccount takes over the pair a predecessor had sealed, with what
// that ceremony's record says of it, and what sister nodes sealed to those that
// joined later. It refuses a node that could open neither.
func carryServiceAccount(_ context.Context, r *run) error {
	if r.state.sealed == nil {
		carried, err := r.carried()
		if err != nil {
			return err
		}
		if _, err := r.record(transcript.Carried(carried)); err != nil {
			return err
		}
	}
	return r.passOn(r.state.sealed.PublicKey)
}

// carried is what a predecessor's record says of the plan's sealed file.
func (r *run) carried() (transcript.Sealed, error) {
	file := r.plan.Plan.ServiceAccount.Sealed
	sum := fingerprint.Of(r.plan.Inputs[file])
	for _, before := range r.previous {
		s, ok := before.ServiceAccount()
		if !ok || s.SHA256 != sum {
			continue
		}
		for _, recipient := range r.recipients() {
			if !slices.Contains(s.Recipients, recipient) {
				return s, &Refused{[]string{fmt.Sprintf("%s is not sealed to %s: a control-plane node could not open it", file, recipient)}}
			}
		}
		s.File = file
		return s, nil
	}
	return transcript.Sealed{}, &Refused{[]string{file + " is not the sealed file of any predecessor's record"}}
}

// passOn records the files that sister nodes sealed to nodes that joined later.
// Nobody here can look into them; the node that opens one wants public's key.
func (r *run) passOn(public []byte) error {
	var records []transcript.Record
	for _, n := range r.plan.Plan.Nodes {
		if n.Sealed == "" || r.state.shared[n.Name] {
			continue
		}
		records = append(records, transcript.Shared{
			Secret: "service-account", Node: n.Name, File: n.Sealed, SHA256: fingerprint.Of(r.plan.Inputs[n.Sealed]),
			Recipient: r.plan.Recipient(n.Name), PublicKey: public,
		})
	}
	if len(records) == 0 {
		return nil
	}
	r.Watch.Say(fmt.Sprintf("%s the key as a sister node sealed it", count(len(records), "node")+" will get"))
	_, err := r.record(records...)
	return err
}

func serviceAccountKey(r *run) (crypto.Signer, error) {
	switch a := r.plan.Plan.ServiceAccount.Create; a {
	case signer.ECDSAP256:
		return ecdsa.GenerateKey(elliptic.P256(), r.Rand)
	case signer.RSA2048:
		return rsa.GenerateKey(r.Rand, 2048)
	case signer.RSA3072:
		return rsa.GenerateKey(r.Rand, 3072)
	case signer.RSA4096:
		return rsa.GenerateKey(r.Rand, 4096)
	default:
		return nil, fmt.Errorf("service-account key: unknown algorithm %q", a)
	}
}

// checkSealed holds the sealed file against its record.
func (r *run) checkSealed() error {
	data, err := os.ReadFile(filepath.Join(r.Dir, r.state.sealed.File))
	if err != nil {
		return err
	}
	if got := fingerprint.Of(data); got != r.state.sealed.SHA256 {
		return fmt.Errorf("%s: SHA-256 %s, the record says %s", r.state.sealed.File, got, r.state.sealed.SHA256)
	}
	return nil
}

// recipients are the age recipients of the control-plane nodes that get no file
// of their own from a sister, in plan order.
func (r *run) recipients() []string {
	var out []string
	for i, n := range r.plan.Nodes {
		if n.Has(kubepki.ControlPlane) && r.plan.Plan.Nodes[i].Sealed == "" {
			// Nodes whose keys were made here may share one.
			if to := r.plan.Recipient(n.Name); !slices.Contains(out, to) {
				out = append(out, to)
			}
		}
	}
	return out
}

// serviceAccount returns the sealed private key and the public one, as a node's
// bundle holds them: made here, carried over, or shared by a sister node.
func (r *run) serviceAccount(node string) (sealed, public []byte, err error) {
	sa := r.plan.Plan.ServiceAccount
	for _, n := range r.plan.Plan.Nodes {
		if n.Name == node && n.Sealed != "" {
			return r.plan.Inputs[n.Sealed], r.plan.Inputs[sa.Public], nil
		}
	}
	if sa.Sealed != "" {
		return r.plan.Inputs[sa.Sealed], r.plan.Inputs[sa.Public], nil
	}
	if r.state.sealed == nil {
		return nil, nil, nil
	}
	sealed, err = os.ReadFile(filepath.Join(r.Dir, sealedKeyFile))
	if err != nil {
		return nil, nil, err
	}
	return sealed, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: r.state.sealed.PublicKey}), nil
}
