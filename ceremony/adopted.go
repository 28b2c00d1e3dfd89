package ceremony

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/phrase"
	"officiant/ceremony/transcript"
)

// takeOver records what the cluster has that no ceremony made: its self-signed
// authorities, and in the first ceremony the certificates that nodes keep. So the
// next ceremony knows what it moves them away from, and whose the keys are.
func (r *run) takeOver(_ context.Context) error {
	var records []transcript.Record
	add := func(name string, c *x509.Certificate) {
		if !r.progress.Adopted[name] {
			records = append(records, transcript.Adopted{Name: name, Certificate: c.Raw})
		}
	}
	for _, a := range r.plan.Plan.Authorities {
		if a.Adopted {
			add(a.Name, r.plan.Certificates[a.Name])
			r.observer.Fingerprint("adopted authority "+a.Name, fingerprint.Of(r.plan.Certificates[a.Name].Raw))
		}
	}
	kept := 0
	if r.plan.Sequence == 1 {
		for _, n := range r.plan.Nodes {
			for _, name := range r.plan.CarriedNames(n.Name) {
				add(n.Name+"/"+name, r.plan.Carried[n.Name][name])
				kept++
			}
		}
		r.observer.Say(fmt.Sprintf("%s stay as they are until the next stage", phrase.Count(kept, "certificate")))
	}
	if len(records) == 0 {
		return nil
	}
	_, err := r.progress.Record(records...)
	return err
}

// adopted are the authorities that no ceremony made, by family.
func (r *outputs) adopted() map[kubepki.Authority]*x509.Certificate {
	out := map[kubepki.Authority]*x509.Certificate{}
	for _, a := range r.plan.Plan.Authorities {
		if a.Adopted {
			out[a.Family] = r.plan.Certificates[a.Name]
		}
	}
	return out
}

// adoptedAccount is what the record says of the service-account key of a cluster
// that is adopted: the plan has seen that one node sealed it to itself.
func (r *secrets) adoptedAccount() (transcript.Sealed, error) {
	sa := r.plan.Plan.ServiceAccount
	block, _ := pem.Decode(r.plan.Inputs[sa.Public])
	if block == nil {
		return transcript.Sealed{}, &Refused{[]string{sa.Public + " is not PEM"}}
	}
	return transcript.Sealed{
		Secret: transcript.ServiceAccount, File: sa.Sealed, SHA256: fingerprint.Of(r.plan.Inputs[sa.Sealed]),
		Recipients: r.recipients(false), PublicKey: block.Bytes,
	}, nil
}
