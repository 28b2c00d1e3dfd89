package install

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// Status is what a node knows about itself.
type Status struct {
	Root      string     `json:"root"`
	Requests  []string   `json:"requests"` // nodes this machine made a request for
	Installed *Installed `json:"installed"`
	Pins      *Pins      `json:"pins"`
	// The release key that the bundle in place announces; left out when it announces none.
	NextRelease *fingerprint.SHA256 `json:"nextReleaseSPKI,omitempty"`
	// What sa.pub in place holds; the first is that of sa.key.
	ServiceAccount []ServiceAccountKey `json:"serviceAccount,omitempty"`
	Previous       *Previous           `json:"previous"`    // what a rollback would bring back
	Interrupted    string              `json:"interrupted"` // an operation that has to be finished
	Certificates   []Certificate       `json:"certificates"`
	Revocations    *RevocationList     `json:"revocationList,omitempty"` // etcd's
	Kubelet        *Kubelet            `json:"kubelet,omitempty"`        // what it does about its certificate
	AdoptedKeys    []string            `json:"adoptedKeys,omitempty"`    // files with private keys of authorities the bundle in place adopts
	Findings       []bundle.Finding    `json:"findings"`                 // files that are not as they were installed
}

// ServiceAccountKey is a public key that verifies service-account tokens.
type ServiceAccountKey struct {
	SPKI  fingerprint.SHA256 `json:"spki"`
	KeyID string             `json:"kid"` // of tokens it verifies: the SPKI in base64url
	Signs bool               `json:"signs"`
}

// Installed is the bundle in place.
type Installed struct {
	Cluster  string             `json:"cluster"`
	Node     string             `json:"node"`
	Sequence int                `json:"sequence"`
	Ceremony fingerprint.SHA256 `json:"ceremony"`
	NotAfter time.Time          `json:"notAfter"`
}

// Previous is the way back.
type Previous struct {
	Sequence int `json:"sequence"` // 0: no bundle was in place
}

// Certificate is one certificate in place: the first of a file, or a kubeconfig's.
type Certificate struct {
	Name      string             `json:"name"` // kubeadm's: "apiserver", "etcd/server", "admin.conf", "ca"
	File      string             `json:"file"` // below the root
	Subject   string             `json:"subject"`
	Serial    string             `json:"serial"` // hex
	NotBefore time.Time          `json:"notBefore"`
	NotAfter  time.Time          `json:"notAfter"`
	DaysLeft  int                `json:"daysLeft"` // whole days; negative when it expired
	Sequence  int                `json:"sequence"` // of the bundle that brought it; 0: none did
	Ceremony  fingerprint.SHA256 `json:"ceremony"` // of that bundle
}

// statusReader describes what is in place; whether it is right, comparison says.
type statusReader struct {
	below
	record
	compared comparison
	now      func() time.Time
}

// status reads what is there. It changes nothing and needs no release key.
func (r statusReader) status() (*Status, error) {
	s := &Status{Root: r.root, Requests: []string{}, Certificates: []Certificate{}, Findings: []bundle.Finding{}}
	if err := r.contained(); err != nil {
		return nil, err
	}
	asked, err := r.state.asked()
	if err != nil {
		return nil, err
	}
	s.Requests = append(s.Requests, asked...)
	j, err := r.interrupted()
	if err != nil {
		return nil, err
	}
	if j != nil {
		s.Interrupted = j.Operation
	}
	var damaged *Damaged
	if s.Previous, err = r.wayBack(); errors.As(err, &damaged) {
		problem := fmt.Sprintf("is damaged: %v; %s", damaged.Reason, damaged.WayOn)
		s.Findings = append(s.Findings, bundle.Finding{File: StateDir + "/" + previousFile, Problem: problem})
	} else if err != nil {
		return nil, err
	}
	if s.Pins, err = r.state.Pins(); err != nil {
		return nil, err
	}
	return s, r.inPlace(s)
}

// wayBack says what a rollback would bring back; nil when nothing.
func (r statusReader) wayBack() (*Previous, error) {
	index, files, err := r.previous()
	if err != nil || index == nil {
		return nil, err
	}
	for _, f := range files {
		clear(f.data)
	}
	return &Previous{index.Sequence}, nil
}

// inPlace adds what the installed bundle says, and what became of its files.
func (r statusReader) inPlace(s *Status) error {
	b, err := r.installed()
	var refusal *bundle.Refusal
	if errors.As(err, &refusal) {
		s.Findings = append(s.Findings, bundle.Finding{File: StateDir + "/" + installedFile, Problem: err.Error()})
		return nil
	}
	if err != nil || b == nil {
		return err
	}
	s.Installed = &Installed{b.Cluster, b.Node, b.Sequence, b.Ceremony, b.NotAfter}
	s.NextRelease = announcedBy(b)
	if s.ServiceAccount, err = r.serviceAccountKeys(b); err != nil {
		return err
	}
	if err := r.certificates(s, b); err != nil {
		s.Findings = append(s.Findings, bundle.Finding{File: StateDir + "/" + installedFile, Problem: err.Error()})
		return nil
	}
	v := &Verification{Bundle: b, Pins: s.Pins}
	err = r.compared.tree(v)
	s.Findings, s.AdoptedKeys, s.Kubelet = append(s.Findings, v.Findings...), v.Left, v.Kubelet
	return err
}

// serviceAccountKeys are those that sa.pub in place holds, whoever put them there.
func (r statusReader) serviceAccountKeys(b *bundle.Bundle) (list []ServiceAccountKey, err error) {
	files, err := filesOf(b)
	if err != nil {
		return nil, nil // told with the certificates
	}
	for _, f := range files {
		if f.Kind != kubepki.ServiceAccountPublic {
			continue
		}
		now, err := r.read(placeOf(f))
		if err != nil || now == nil {
			return nil, nil // tree says so
		}
		keys, err := bundle.ParsePublicKeys(now.data)
		if err != nil {
			return nil, nil // and so, since it is not the bundle's
		}
		for i, k := range keys {
			spki, err := fingerprint.SPKI(k)
			if err != nil {
				return nil, err
			}
			list = append(list, ServiceAccountKey{spki, base64.RawURLEncoding.EncodeToString(spki[:]), i == 0})
		}
	}
	return list, nil
}

// certificates adds those the node's files hold now, whoever brought them.
func (r statusReader) certificates(s *Status, b *bundle.Bundle) error {
	files, err := filesOf(b)
	if err != nil {
		return err
	}
	s.Revocations = revocationList(r.below, files, r.now())
	known, err := r.origins()
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Kind == kubepki.KeyFile || f.Kind == kubepki.ServiceAccountKey {
			continue
		}
		path := placeOf(f)
		now, err := r.read(path)
		if err != nil || now == nil {
			continue // tree says so
		}
		cert := bundle.FirstCertificate(f.Path, now.data)
		if cert == nil {
			continue
		}
		c := Certificate{
			Name: f.Leaf, File: path, Subject: cert.Subject.String(), Serial: fmt.Sprintf("%x", cert.SerialNumber),
			NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(),
			DaysLeft: int(math.Floor(cert.NotAfter.Sub(r.now()).Hours() / 24)),
		}
		if c.Name == "" {
			c.Name = strings.TrimSuffix(strings.TrimPrefix(f.Path, "pki/"), ".crt")
		}
		from, ok := known.of(cert)
		brought := bundle.FirstCertificate(f.Path, b.Files[f.Path])
		switch {
		case ok:
			c.Sequence, c.Ceremony = from.Sequence, from.Ceremony
		case brought != nil && brought.Equal(cert): // installed before origins were kept
			c.Sequence, c.Ceremony = b.Sequence, b.Ceremony
		}
		s.Certificates = append(s.Certificates, c)
	}
	slices.SortFunc(s.Certificates, func(a, b Certificate) int { return strings.Compare(a.File, b.File) })
	return nil
}
