package next

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/inventory"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
	"officiant/ceremony/schedule"
)

// RevokeOptions say what is revoked, and which lists are made.
type RevokeOptions struct {
	Serials     []string // in hex
	Of          []string // nodes: all of theirs
	MadeBy      []string // fingerprints of requests: all that was made by them
	Reason      revocation.Reason
	Comment     string   // for people, in the plan
	Refresh     bool     // make the lists anew that there are, and revoke nothing more
	Authorities []string // of Refresh: these lists alone; empty: all
	NextUpdate  plan.Duration
}

// Revocation is a plan that revokes certificates.
type Revocation struct {
	Proposal
	Ceremony *schedule.Ceremony
	Revoked  []Revoked
	Left     []string // nodes of role etcd that get no bundle with the new list
}

// Revoked is a certificate that the plan revokes.
type Revoked struct {
	Serial    string // hex
	Name      string
	Authority string // that issued it, as the last plan names it
	Until     time.Time
	Client    bool // somebody logs in to Kubernetes with it, not to etcd
}

type revoking struct {
	*work
	RevokeOptions
}

// Revoke makes the revocation lists that a revocation changes, and etcd's bundles.
func Revoke(chain Chain, o RevokeOptions, changes Changes) (*Revocation, error) {
	w := &revoking{changes.begin(chain, 0), o}
	found, err := w.targets()
	if err != nil {
		return nil, err
	}
	if err := w.draft(); err != nil {
		return nil, err
	}
	w.leaves()
	if err := w.lists(found); err != nil {
		return nil, err
	}
	out := &Revocation{Revoked: found}
	if out.Left, err = w.etcdNodes(); err != nil {
		return nil, err
	}
	if out.Ceremony, err = w.open(); err != nil {
		return nil, err
	}
	out.Proposal = w.proposal(out.Ceremony)
	return out, nil
}

// targets finds what is to be revoked on the chain's records: all of it that has
// not ended, abandoned certificates included, since they may exist.
func (w *revoking) targets() ([]Revoked, error) {
	if w.Refresh {
		return nil, nil
	}
	entries, err := w.chain.issued()
	if err != nil {
		return nil, err
	}
	serials, requested := w.wantedSerials(), w.wantedRequests()
	hit := map[string]bool{}
	var found []Revoked
	var ended, before int
	for _, e := range entries {
		i := e.Item()
		switch key := fmt.Sprintf("%d/%s", i.Sequence, i.Name); {
		case i.Kind == inventory.CRL:
			continue
		case serials[i.Serial] != "":
			hit[serials[i.Serial]] = true
		case i.Node != "" && slices.Contains(w.Of, i.Node):
			hit[i.Node] = true
		case requested[key] != "":
			hit[requested[key]] = true
		default:
			continue
		}
		switch {
		case i.NotAfter.Before(w.Now):
			ended++
			continue
		case i.State == inventory.Revoked:
			before++
			continue
		}
		t, err := w.target(i)
		if err != nil {
			return nil, err
		}
		found = append(found, t)
	}
	for _, what := range slices.Concat(w.Serials, w.Of, w.MadeBy) {
		if !hit[what] {
			return nil, &Refused{Err: fmt.Errorf("%s: no certificate of that on these records", what),
				Hints: []string{"an older ceremony may have issued it: give its directory, too",
					"see what there is:  officiant ceremony inventory DIR..."}}
		}
	}
	if len(found) == 0 {
		return nil, refuse(
			"nothing to revoke: of what was asked for, %d have ended and %d are revoked already",
			ended,
			before,
		)
	}
	return found, nil
}

// issued lists all that these ceremonies issued.
func (c Chain) issued() ([]*inventory.Entry, error) {
	var records []*inventory.Record
	for _, p := range c {
		r, err := inventory.Read(history.Text(filepath.Join(p.Dir, "transcript.jsonl"), p.raw))
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return inventory.List(records...)
}

func (w *revoking) wantedSerials() map[string]string {
	wanted := map[string]string{} // as they were typed, by their one spelling
	for _, s := range w.Serials {
		if n, err := revocation.ParseSerial(s); err == nil {
			wanted[n.Text(16)] = s
		}
	}
	return wanted
}

// wantedRequests names what the ceremonies made by requests, as SEQUENCE/NAME, and
// the fingerprint as it was typed.
func (w *revoking) wantedRequests() map[string]string {
	wanted := map[string]string{}
	for _, typed := range w.MadeBy {
		var f fingerprint.SHA256
		if f.UnmarshalText([]byte(typed)) != nil {
			continue
		}
		for _, p := range w.chain {
			for _, e := range p.plan.Entries {
				if r := p.plan.Requests[e.Node]; e.Kind == schedule.LeafCertificate && r != nil && r.Fingerprint == f {
					wanted[fmt.Sprintf("%d/%s", p.open.Sequence, e.Name)] = typed
				}
			}
		}
	}
	return wanted
}

// target finds the authority of the last plan that issued a certificate, and has
// to be the one to revoke it.
func (w *revoking) target(i inventory.Item) (Revoked, error) {
	t := Revoked{Serial: i.Serial, Name: i.Name, Authority: i.Authority, Until: i.NotAfter}
	by := w.chain.last().authority(i.Authority)
	switch {
	case i.Kind == inventory.Root:
		return t, &Refused{Err: fmt.Errorf("%s (%s) is a root: no list can say that of it", i.Name, i.Serial),
			Hints: []string{"it has to be replaced: officiant ceremony rollover (docs/rollover.md)"}}
	case by == nil:
		return t, refuse(
			"%s (%s) was issued by authority %s, which nodes do not trust any more: nobody takes it",
			i.Name,
			i.Serial,
			i.Authority,
		)
	case by.External:
		return t, refuse("%s (%s) was certified by a root that lives elsewhere: it is revoked there", i.Name, i.Serial)
	case w.chain.last().revokedItself(i.Authority):
		return t, refuse(
			"%s (%s) was issued by authority %s, which is revoked itself, and with it all it issued",
			i.Name,
			i.Serial,
			i.Authority,
		)
	}
	t.Client = by.Family == kubepki.KubernetesAuthority || by.Family == kubepki.FrontProxyAuthority
	return t, nil
}

// etcdNodes puts the nodes of role etcd into the plan, with all the certificates
// they have, when etcd's list changes. It names those that cannot have a bundle: a
// certificate of theirs is revoked, or the ceremony made their keys.
func (w *revoking) etcdNodes() (left []string, err error) {
	of := map[string]kubepki.Authority{}
	for _, a := range w.p.Authorities {
		of[a.Name] = a.Family
	}
	if !slices.ContainsFunc(w.p.CRLs, func(l plan.CRL) bool { return of[l.Authority] == kubepki.EtcdAuthority }) {
		return nil, nil
	}
	revoked := w.chain.last().revoked() // on the lists that do not change, too
	for _, v := range w.p.Revocations {
		revoked[v.Serial.Text(16)] = true
	}
	for name, c := range w.chain.present() {
		if node, _, _ := strings.Cut(name, "/"); revoked[c.SerialNumber.Text(16)] {
			revoked[node] = true
		}
	}
	if err := w.gather(); err != nil {
		return nil, err
	}
	var nodes []requester
	for _, n := range w.nodes {
		switch {
		case !slices.Contains(n.node.Roles, kubepki.Etcd):
		case revoked[n.node.Name] || n.request == nil:
			left = append(left, n.node.Name)
		default:
			n.node.Renew = []string{}
			nodes = append(nodes, n)
		}
	}
	w.nodes = nodes
	err = w.chain.serviceAccount(w.p, w.in, nodes) // which says what a node opens that joined later
	for _, n := range nodes {
		w.p.Nodes = append(w.p.Nodes, n.node)
	}
	return left, err
}
