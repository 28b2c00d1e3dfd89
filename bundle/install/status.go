package install

import (
	"errors"
	"slices"
	"strings"
	"time"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
)

// Status is what a node knows about itself.
type Status struct {
	Root         string           `json:"root"`
	Requests     []string         `json:"requests"` // nodes this machine made a request for
	Installed    *Installed       `json:"installed"`
	Pins         *Pins            `json:"pins"`
	Previous     *Previous        `json:"previous"`    // what a rollback would bring back
	Interrupted  string           `json:"interrupted"` // an operation that has to be finished
	Certificates []Certificate    `json:"certificates"`
	Findings     []bundle.Finding `json:"findings"` // files that are not as they were installed
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

// Certificate is one leaf in place.
type Certificate struct {
	Name     string    `json:"name"`
	NotAfter time.Time `json:"notAfter"`
}

// Status reads what is there. It changes nothing and needs no release key.
func (n *Node) Status() (*Status, error) {
	s := &Status{Root: n.Root, Requests: []string{}, Certificates: []Certificate{}, Findings: []bundle.Finding{}}
	asked, err := n.State().asked()
	if err != nil {
		return nil, err
	}
	s.Requests = append(s.Requests, asked...)
	j, err := n.interrupted()
	if err != nil {
		return nil, err
	}
	if j != nil {
		s.Interrupted = j.Operation
	}
	if s.Pins, err = n.State().Pins(); err != nil {
		return nil, err
	}
	index, _, err := n.previous()
	if err != nil {
		return nil, err
	}
	if index != nil {
		s.Previous = &Previous{index.Sequence}
	}
	return s, n.inPlace(s)
}

// inPlace adds what the installed bundle says, and what became of its files.
func (n *Node) inPlace(s *Status) error {
	b, err := n.installed()
	var refusal *bundle.Refusal
	if errors.As(err, &refusal) {
		s.Findings = append(s.Findings, bundle.Finding{File: StateDir + "/" + installedFile, Problem: err.Error()})
		return nil
	}
	if err != nil || b == nil {
		return err
	}
	s.Installed = &Installed{b.Cluster, b.Node, b.Sequence, b.Ceremony, b.NotAfter}
	leaves, err := b.LeafCertificates()
	if err != nil {
		s.Findings = append(s.Findings, bundle.Finding{File: StateDir + "/" + installedFile, Problem: err.Error()})
		return nil
	}
	for name, cert := range leaves {
		s.Certificates = append(s.Certificates, Certificate{name, cert.NotAfter.UTC()})
	}
	slices.SortFunc(s.Certificates, func(a, b Certificate) int { return strings.Compare(a.Name, b.Name) })
	v := &Verification{Bundle: b, Pins: s.Pins}
	err = n.tree(v)
	s.Findings = append(s.Findings, v.Findings...)
	return err
}
