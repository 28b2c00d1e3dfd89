package main

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
)

// candidate is how long leaves are valid in the plan that only finds out what
// there is to renew; authorities that end are another question.
const candidate = plan.Duration(time.Hour)

// dues are the certificates that have to be made anew, by node, and why.
type dues struct {
	why map[string]map[string]string // by node and Leaf.Name
	has map[string]*x509.Certificate // what there is, by the schedule's name
}

// due holds what every certificate would be against what there is.
func (o *renewOptions) due(chain []*predecessor, all *schedule.Ceremony) *dues {
	d := &dues{map[string]map[string]string{}, present(chain)}
	servers, revoked := formerServers(chain), revokedBy(chain[0])
	for _, e := range all.Entries {
		if e.Kind != schedule.LeafCertificate {
			continue
		}
		now := d.has[e.Name]
		why := ""
		switch {
		case now == nil:
			why = "new"
		case !signedBy(now, all.Present(e.Signer)):
			why = "its authority is another"
		case revoked[now.SerialNumber.Text(16)]:
			why = "revoked"
		default:
			why = strings.Join(schedule.Differences(now, e.Leaf), "; ")
		}
		if now != nil {
			if k := e.Leaf.Kubeconfig; why == "" && k != nil && k.Server != servers[e.Name] {
				why = fmt.Sprintf("server %s, was %s", k.Server, servers[e.Name])
			}
			if why == "" && now.NotAfter.Before(o.until) {
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
	return d
}

// formerServers are the API servers in the kubeconfigs nodes have, by the
// schedule's name.
func formerServers(chain []*predecessor) map[string]string {
	out := map[string]string{}
	for _, p := range slices.Backward(chain) { // oldest first
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

// keep leaves in the plan what is due, and says how many nodes it takes out.
// Who sent a request asked for it.
func (d *dues) keep(p *plan.NewOptions) (quiet int) {
	controlPlane := false
	var nodes []plan.Node
	for _, n := range p.Nodes {
		asked := n.Keys == plan.NodeKeys{} && !n.Renews()
		n.Renew = slices.DeleteFunc(slices.Clone(n.Renew), func(leaf string) bool { return d.why[n.Name][leaf] == "" })
		if !asked && len(d.why[n.Name]) == 0 {
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

// tell shows what is renewed, and what becomes different by it.
func (o *renewOptions) tell(c *schedule.Ceremony, d *dues, quiet int) error {
	t := &terminal.Table{Header: []string{"CERTIFICATE", "UNTIL", "WHAT CHANGES"}}
	renewed, carried := 0, 0
	for _, n := range c.Nodes {
		carried += len(c.Carried[n.Name])
	}
	for _, e := range c.Entries {
		if e.Kind != schedule.LeafCertificate {
			continue
		}
		renewed++
		until := ""
		if now := d.has[e.Name]; now != nil {
			until = now.NotAfter.UTC().Format(time.DateOnly)
		}
		t.Add(exit.Line(e.Name), until, exit.Line(d.changes(c, e)))
	}
	if err := t.Write(o.Stdout, terminal.Width(o.Stdout)); err != nil {
		return err
	}
	fmt.Fprintf(o.Stderr, "\nWrote plan %s to %s: %s made anew, %d carried over, in %s.\n", c.Plan.Name, o.out,
		counted(renewed, "certificate"), carried, counted(len(c.Nodes), "bundle"))
	if quiet > 0 {
		fmt.Fprintf(o.Stderr, "Left out, as nothing of theirs ends within %s: %s.\n", o.within, counted(quiet, "node"))
	}
	return o.compare(c)
}

// changes says what becomes different.
func (d *dues) changes(c *schedule.Ceremony, e schedule.Entry) string {
	now, why := d.has[e.Name], d.why[e.Node][e.Leaf.Name]
	if now == nil {
		return why
	}
	if why == "" || why == "ends" {
		why = "dates and serial number"
	}
	if r := c.Requests[e.Node]; r == nil || !bytes.Equal(r.CSR[e.Leaf.Name].RawSubjectPublicKeyInfo, now.RawSubjectPublicKeyInfo) {
		return "key, " + why
	}
	return why
}

// compare prints the fingerprints that people have to compare.
func (o *renewOptions) compare(c *schedule.Ceremony) error {
	for _, n := range c.Plan.Nodes {
		if c.Vouched[n.Name] != schedule.ByFingerprint {
			continue
		}
		fmt.Fprintf(o.Stderr, "Compare with what node %s printed, by another way than its request came:\n", n.Name)
		if _, err := fmt.Fprintf(o.Stdout, "%s  %s\n%s", exit.Line(n.Name), n.Request, indentLines(n.Fingerprint.Lines())); err != nil {
			return err
		}
	}
	fmt.Fprintf(o.Stderr, "\nNext:  officiant ceremony check %s\n", o.out)
	return nil
}
