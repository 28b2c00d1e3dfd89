package next

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
)

// Chain is one cluster's previous ceremonies, with the plans they were made by.
type Chain struct {
	*history.History
	all     []*Previous // newest first
	given   []*Previous // up, and with certificates that are valid all the same
	archive *history.Archive
	dirs    func(dir string) fs.FS
}

const allOfThem = "give every ceremony of the cluster, or the folder that holds them all"

// OpenChain finds a cluster's ceremonies in an archive. With an empty name it is the
// cluster of which all of them are; dirs opens a ceremony directory by its name.
func OpenChain(a *history.Archive, cluster string, dirs func(dir string) fs.FS) (Chain, error) {
	clusters := a.Clusters()
	switch {
	case cluster == "" && len(clusters) > 1:
		return Chain{}, &Refused{
			Err:   fmt.Errorf("there are ceremonies of several clusters here: %s", oneLine(strings.Join(clusters, ", "))),
			Hints: by(NameCluster),
		}
	case cluster == "":
		cluster = clusters[0]
	case !slices.Contains(clusters, cluster):
		return Chain{}, refuse(
			"there is no ceremony of cluster %s here; there are of %s",
			cluster,
			oneLine(strings.Join(clusters, ", ")),
		)
	}
	h, err := a.History(cluster)
	if err != nil {
		return Chain{}, ofRecords(err)
	}
	return openChain(a, h, dirs)
}

func openChain(a *history.Archive, h *history.History, dirs func(dir string) fs.FS) (Chain, error) {
	c := Chain{History: h, archive: a, dirs: dirs}
	for _, r := range h.Records() {
		p, err := readPrevious(r, dirs(r.Source.Dir), h)
		if err != nil {
			return c, unreadable(r, err)
		}
		c.all = append(c.all, p)
	}
	for _, r := range h.Abandoned() {
		if r.Open.Cluster != h.Cluster || !r.Outlasting() {
			continue
		}
		p, err := readPrevious(r, dirs(r.Source.Dir), h)
		if err != nil {
			return c, unreadable(r, err)
		}
		p.prefix = fmt.Sprintf("previous/%s-%d-abandoned-%.8s", r.Open.Cluster, r.Open.Sequence, r.Head)
		c.given = append(c.given, p)
	}
	return c, nil
}

func unreadable(r *history.Record, err error) error {
	return &Refused{Err: err, Hints: plainly("to see what is wrong: officiant ceremony verify " + r.Source.Dir)}
}

// ofRecords says that records are not what a plan can continue, and what helps.
func ofRecords(err error) error {
	refused := &Refused{Err: err}
	switch {
	case errors.Is(err, history.ErrGap):
		refused.Hints = plainly(allOfThem)
	case errors.Is(err, history.ErrRehearsal):
		refused.Hints = plainly("rehearsals lie in a folder of their own: move it, or name the ceremonies one by one")
	case errors.Is(err, history.ErrUnfinished):
		refused.Hints = plainly("`officiant ceremony run` with its plan and station continues it")
	case errors.Is(err, history.ErrFork):
		refused.Hints = plainly(
			"one of them may be a copy that was altered: officiant ceremony verify tells; keep the true one",
		)
	default:
		refused.Hints = plainly("to see what is wrong: officiant ceremony verify DIR")
	}
	return refused
}

// whole refuses a chain whose beginning is not here: what nodes have may be of it.
func (c Chain) whole() error {
	if err := c.Whole(); err != nil {
		return ofRecords(err)
	}
	return nil
}

// last is the newest ceremony.
func (c Chain) last() *Previous { return c.all[0] }

// previous names the chain in a plan, with the copies of its records.
func (c Chain) previous(in *inputs) ([]plan.Predecessor, error) {
	var earlier []string
	for _, l := range c.all[1:] {
		named, err := l.named(in)
		if err != nil {
			return nil, err
		}
		earlier = append(earlier, named.Transcript)
	}
	last, err := c.last().named(in, earlier...)
	for _, l := range c.given {
		named, e := l.named(in)
		if e != nil {
			return nil, e
		}
		last.Abandoned = append(last.Abandoned, named.Transcript)
	}
	return []plan.Predecessor{last}, err
}

// present is what a node has now of a name; nil: nothing.
func (c Chain) present(name string) (*x509.Certificate, error) {
	found, ok := c.Newest(name)
	if !ok {
		return nil, nil
	}
	return found.Parse()
}

// servers are the API servers in the kubeconfigs nodes have, by the schedule's name.
func (c Chain) servers() map[string]string {
	out := map[string]string{}
	for _, p := range slices.Backward(c.all) { // oldest first
		for _, n := range p.plan.Nodes {
			leaves, err := kubepki.Leaves(p.plan.Cluster, n)
			if err != nil {
				continue // a ceremony was held by it
			}
			for _, l := range leaves {
				if l.Kubeconfig != nil {
					out[n.Name+"/"+l.Name] = l.Kubeconfig.Server
				}
			}
		}
	}
	return out
}

// revoked says whether a certificate is on any list of these records.
func (c Chain) revoked(cert *x509.Certificate) bool {
	s, ok := history.SerialOf(cert.SerialNumber)
	if !ok {
		return false
	}
	_, is := c.Revoked(s)
	return is
}

// revokedItself says whether an authority is on a list of the root's: it signs nothing more.
func (c Chain) revokedItself(authority string) bool {
	cert := c.last().certificate(authority)
	return cert != nil && c.revoked(cert)
}

// openedBy are other clusters' ceremonies that opened one of these keys after this
// cluster's did, with what a plan says of each.
func (c Chain) openedBy(in *inputs, keys ...fingerprint.SHA256) ([]plan.Predecessor, error) {
	if c.archive == nil || len(c.archive.Clusters()) < 2 {
		return nil, nil
	}
	h, err := c.archive.Sharing(c.Cluster, keys...)
	if err != nil {
		return nil, ofRecords(err)
	}
	var out []plan.Predecessor
	for _, r := range h.Others() {
		p, err := readPrevious(r, c.dirs(r.Source.Dir), h)
		if err != nil {
			return nil, ofRecords(err)
		}
		named, err := p.named(in)
		if err != nil {
			return nil, err
		}
		out = append(out, named)
	}
	return out, nil
}

// signedBy says whether an authority signed a certificate.
func signedBy(c, issuer *x509.Certificate) bool {
	return issuer != nil && c.CheckSignatureFrom(issuer) == nil
}

// planName is the default, CLUSTER-SEQUENCE as an RFC 1123 label.
func planName(cluster string, sequence int) string {
	label := strings.Trim(notInName.ReplaceAllString(strings.ToLower(cluster), "-"), "-")
	return fmt.Sprintf("%s-%d", label[:min(len(label), 50)], sequence)
}
