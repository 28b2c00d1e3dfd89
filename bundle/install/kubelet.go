package install

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"officiant/bundle"
	"officiant/bundle/certfile"
	"officiant/bundle/kubelet"
	"officiant/bundle/kubepki"
)

const kubeletConfig = "kubelet.conf"

// Kubelet is what the node's kubelet does about its client certificate.
type Kubelet struct {
	Rotates bool   `json:"rotates"`
	By      string `json:"by,omitempty"` // what says whether it rotates; empty when nothing does
	// An online signer signs what it asks for.
	Signed bool `json:"signed,omitempty"`
	// What it got by asking, and asks with now; left out when that is kubelet.conf's.
	Own *Presented `json:"own,omitempty"`
	// What it asks with in place of the certificate of kubelet.conf that is installed;
	// left out when it uses that.
	Instead *Presented `json:"instead,omitempty"`
}

// Presented is a client certificate that a kubelet prefers to its kubeconfig's.
type Presented struct {
	File     string    `json:"file"` // below the root
	Serial   string    `json:"serial,omitempty"`
	Issuer   string    `json:"issuer,omitempty"`
	NotAfter time.Time `json:"notAfter,omitzero"`
	Problem  string    `json:"problem,omitempty"` // why the file does not say more
}

func (p *Presented) String() string {
	if p.Problem != "" {
		return fmt.Sprintf("%s (%s)", p.File, p.Problem)
	}
	return fmt.Sprintf("%s (serial %s by %s, until %s)", p.File, p.Serial, p.Issuer, p.NotAfter.Format(time.RFC3339))
}

// kubeletUse looks after the kubelet's own files, which it may prefer to a bundle's.
type kubeletUse struct {
	below
	now func() time.Time
}

// of says what the kubelet uses beside the certificate of kubelet.conf; nil
// where the bundle brings no kubelet.conf. b is the bundle in place, or that is to
// come; nil when there is none that reads.
func (u kubeletUse) of(b *bundle.Bundle, files []kubepki.File, config *x509.Certificate) (*Kubelet, error) {
	if !slices.ContainsFunc(files, func(f kubepki.File) bool { return f.Path == kubeletConfig }) {
		return nil, nil
	}
	s, err := kubelet.Rotation(u.readAny)
	if err != nil {
		return nil, err
	}
	k := &Kubelet{Rotates: s.Rotates, By: s.By, Signed: signedOnline(b)}
	if s.Known && !s.Rotates {
		return k, nil // what is there it does not look at
	}
	for _, path := range kubelet.Preferred {
		p, cert := u.presented(path)
		if p == nil {
			continue
		}
		switch {
		case cert != nil && config != nil && cert.Equal(config):
		case k.Signed && cert != nil && u.asked(b, files, cert):
			k.Own = p
		default:
			k.Instead = p
		}
		return k, nil
	}
	return k, nil
}

// signedOnline says whether an online signer signs for the kubelets of a bundle's cluster.
func signedOnline(b *bundle.Bundle) bool {
	if b == nil {
		return false
	}
	facts, err := b.Facts()
	return err == nil && facts.Cluster.KubeletClient
}

// asked says whether a kubelet got a certificate by asking for it, and it is valid
// still. Else it is a copy of a former kubelet.conf: an authority issued it that the
// bundle, or what is in place, has in pki/ca.crt.
func (u kubeletUse) asked(b *bundle.Bundle, files []kubepki.File, cert *x509.Certificate) bool {
	if u.now().After(cert.NotAfter) {
		return false
	}
	known, err := b.AuthorityCertificates()
	if err != nil {
		return false
	}
	issuers := known[kubepki.KubernetesAuthority]
	for _, f := range files {
		if f.Kind != kubepki.TrustFile || f.Authority != kubepki.KubernetesAuthority {
			continue
		}
		if now, err := u.read(placeOf(f)); err == nil && now != nil {
			there, _ := certfile.PEM(now.data) // what does not read trusts nobody
			issuers = append(issuers, there...)
		}
	}
	return !slices.ContainsFunc(issuers, func(c *x509.Certificate) bool { return cert.CheckSignatureFrom(c) == nil })
}

// presented reads the certificate in one of the kubelet's own files; nil when there
// is no such file.
func (u kubeletUse) presented(path string) (*Presented, *x509.Certificate) {
	if _, err := u.files.Lstat(u.at(path)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	p := &Presented{File: path}
	data, err := u.files.ReadFile(u.at(path))
	defer clear(data)
	if err != nil {
		p.Problem = plain(err).Error()
		return p, nil
	}
	list, err := certfile.PEM(data)
	if err != nil {
		p.Problem = err.Error()
		return p, nil
	}
	c := list[0]
	p.Serial, p.Issuer, p.NotAfter = fmt.Sprintf("%x", c.SerialNumber), c.Issuer.String(), c.NotAfter.UTC()
	return p, c
}

// kubeletFinding is what is to be said of a kubelet that uses something else.
func kubeletFinding(k *Kubelet) []bundle.Finding {
	if k == nil || k.Instead == nil {
		return nil
	}
	by := k.By
	if by == "" {
		by = "nothing says that it does not rotate its certificate"
	}
	rest := ", restart the kubelet, and have it not rotate (--rotate-certificates=false)"
	if k.Signed {
		rest = ", and restart the kubelet"
	}
	return []bundle.Finding{{File: kubernetesDir + "/" + kubeletConfig, Problem: fmt.Sprintf(
		"the kubelet does not use it, but %s: %s; install the bundle again, which moves that aside%s", k.Instead, by,
		rest)}}
}

// inUse adds to a status or verification what the kubelet uses.
func (u kubeletUse) inUse(b *bundle.Bundle, files []kubepki.File) (*Kubelet, []bundle.Finding) {
	now, err := u.read(kubernetesDir + "/" + kubeletConfig)
	if err != nil || now == nil {
		return nil, nil // told as that
	}
	k, err := u.of(b, files, bundle.FirstCertificate(kubeletConfig, now.data))
	if err != nil {
		return nil, []bundle.Finding{{File: kubernetesDir + "/" + kubeletConfig,
			Problem: fmt.Sprintf("whether the kubelet uses it cannot be told: %v", err)}}
	}
	return k, kubeletFinding(k)
}
