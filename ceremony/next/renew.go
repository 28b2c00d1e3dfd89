package next

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
)

// candidate is how long leaves are valid in the plan that only finds out what
// there is to renew; authorities that end are another question.
const candidate = plan.Duration(time.Hour)

// Renewal is a plan that makes anew what ends soon.
type Renewal struct {
	Proposal
	Ceremony *schedule.Ceremony // as check will open it; nil: nothing is to be renewed, and there is no plan
	Renewed  []Renewed
	Carried  int      // certificates
	Quiet    int      // nodes that need nothing
	Keys     []string // that it makes, and the station needs a place for
}

// Renewed is a certificate that is made anew.
type Renewed struct {
	Name    string
	Until   time.Time // the end of the one there is; zero: none
	Changes string    // what becomes different
}

// Renew makes the nodes' certificates anew, each for its existing key, if they expire within
// a time or differ from the cluster's facts.
func Renew(chain Chain, within time.Duration, changes Changes) (*Renewal, error) {
	if err := chain.whole(); err != nil {
		return nil, err
	}
	w := changes.begin(chain, within)
	something := len(w.Left) > 0 || w.Journal != nil || w.OnlineSigner || w.JournalKey != fingerprint.SHA256{}
	if err := w.gather(); err != nil || len(w.nodes) == 0 && !something {
		return &Renewal{}, err
	}
	if err := w.draft(); err != nil {
		return nil, err
	}
	// First as if everything were renewed: that says what each certificate would be.
	all, err := w.open()
	if err != nil {
		return nil, err
	}
	needed, err := w.due(all)
	if err != nil {
		return nil, err
	}
	out := &Renewal{Quiet: needed.keep(w.p, w.OnlineSigner), Keys: w.added}
	if len(w.p.Nodes) == 0 && !something {
		return out, nil
	}
	w.leaves()
	if err := w.issuers(all); err != nil {
		return nil, err
	}
	if err := w.roots(); err != nil {
		return nil, err
	}
	if out.Ceremony, err = w.open(); err != nil {
		return nil, err
	}
	out.Proposal = w.proposal(out.Ceremony)
	out.Carried = carried(out.Ceremony)
	for e := range out.Ceremony.All(schedule.LeafCertificate) {
		r := Renewed{Name: e.Name, Changes: needed.changes(out.Ceremony, e)}
		if now, ok := needed.has[e.Name]; ok {
			r.Until = now.until
		}
		out.Renewed = append(out.Renewed, r)
	}
	return out, nil
}

// carried counts the certificates that stay as they are.
func carried(c *schedule.Ceremony) (n int) {
	for _, node := range c.Nodes {
		n += len(c.Carried[node.Name])
	}
	return n
}

// dueCertificates are the certificates that have to be made anew, by node, and why.
type dueCertificates struct {
	why map[string]map[string]string // by node and Leaf.Name
	has map[string]present           // what there is, by the schedule's name
}

// present is what is kept of a certificate that there is.
type present struct {
	until time.Time
	spki  fingerprint.SHA256
}

// due holds what every certificate would be against what there is.
func (w *work) due(all *schedule.Ceremony) (*dueCertificates, error) {
	d := &dueCertificates{map[string]map[string]string{}, map[string]present{}}
	servers := w.chain.servers()
	for e := range all.All(schedule.LeafCertificate) {
		if len(w.Families) > 0 && !slices.Contains(w.Families, e.Leaf.Authority) {
			continue
		}
		now, err := w.chain.present(e.Name)
		if err != nil {
			return nil, err
		}
		if now != nil {
			d.has[e.Name] = present{now.NotAfter, fingerprint.Of(now.RawSubjectPublicKeyInfo)}
		}
		why := ""
		switch {
		case now == nil:
			why = "new"
		case !signedBy(now, all.Present(e.Signer)):
			why = "its authority is another"
		case w.chain.revoked(now):
			why = "revoked"
		default:
			why = strings.Join(schedule.Differences(now, *e.Leaf), "; ")
		}
		if now != nil {
			if k := e.Leaf.Kubeconfig; why == "" && k != nil && k.Server != servers[e.Name] {
				why = fmt.Sprintf("server %s, was %s", k.Server, servers[e.Name])
			}
			if why == "" && now.NotAfter.Before(w.until) {
				why = "ends"
			}
		}
		if why == "" {
			continue
		}
		if d.why[e.Node] == nil {
			d.why[e.Node] = map[string]string{}
		}
		d.why[e.Node][e.Leaf.Name] = why
	}
	return d, nil
}

// keep leaves in the plan what is due, and says how many nodes it takes out, unless all
// get bundles. Who sent a request asked for it.
func (d *dueCertificates) keep(p *plan.NewOptions, all bool) (quiet int) {
	controlPlane := false
	var nodes []plan.Node
	for _, n := range p.Nodes {
		asked := n.Keys == plan.NodeKeys{} && !n.Renews()
		n.Renew = slices.DeleteFunc(slices.Clone(n.Renew), func(leaf string) bool { return d.why[n.Name][leaf] == "" })
		if !asked && !all && len(d.why[n.Name]) == 0 {
			quiet++
			continue
		}
		nodes = append(nodes, n)
		controlPlane = controlPlane || slices.Contains(n.Roles, kubepki.ControlPlane)
	}
	p.Nodes = nodes
	if !controlPlane {
		p.ServiceAccount = plan.ServiceAccount{}
	}
	return quiet
}

// changes says what becomes different.
func (d *dueCertificates) changes(c *schedule.Ceremony, e schedule.Entry) string {
	now, has := d.has[e.Name]
	why := d.why[e.Node][e.Leaf.Name]
	if !has {
		return why
	}
	if why == "" || why == "ends" {
		why = "dates and serial number"
	}
	if r := c.Requests[e.Node]; r == nil || fingerprint.Of(r.Key(e.Leaf.Name)) != now.spki {
		return "key, " + why
	}
	return why
}
