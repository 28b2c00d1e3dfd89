package next

import (
	"fmt"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/ceremony/online/proof"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/signer"
)

// Online is an online signer that a cluster with ceremonies gets.
type Online struct {
	OnlineSigner bool // its authorities are made, of those there are none yet
	// JournalKey is the public key of its journal, in place of the one that the last grant
	// names; zero: that one, or no grant where none was made.
	JournalKey fingerprint.SHA256
}

// addOnline has the authorities of an online signer made in a cluster that lacks them.
// Nothing trusts them yet, and nothing that is there depends on them, so they issue at once.
func (w *work) addOnline() error {
	if !w.OnlineSigner {
		return nil
	}
	last := w.chain.last()
	w.added = nil
	for _, family := range plan.Families {
		if !family.Online() || last.plan.Plan.Has(family) {
			continue
		}
		name := string(family)
		if slices.ContainsFunc(w.chain.all, func(p *Previous) bool { return p.authority(name) != nil }) {
			name = w.chain.successor(name)
		}
		w.added = append(w.added, name)
		w.p.Authorities = append(w.p.Authorities, plan.Authority{Name: name, Family: family,
			Key: plan.Key{Create: signer.ECDSAP256}, Validity: plan.Duration(plan.OnlineLife),
			Evidence: last.evidence(last.plan.Plan.Issuing(kubepki.KubernetesAuthority).Name)})
	}
	if len(w.added) == 0 {
		return refuse("the cluster has the authorities of an online signer already")
	}
	return nil
}

// apiServersAlone says whether none but API servers have anything of these authorities:
// those of an online signer. Other nodes then get no bundle.
func (g generation) apiServersAlone() bool {
	return !slices.ContainsFunc(g.moves, func(m Move) bool { return !m.Family.Online() })
}

// kubelets is a stage after which API servers refuse certificates that kubelets got by
// asking an online signer.
type kubelets interface {
	// asksBy says how a node's kubelet still needs what goes; empty when it does not.
	asksBy(*install.Status) string
}

// dropKubelets is the drop of an authority whose clients are kubelets.
type dropKubelets struct{ dropGeneration }

func (g dropKubelets) asksBy(s *install.Status) string {
	for _, m := range g.moves {
		old := g.chain.last().certificate(m.Old)
		if m.Family != kubepki.KubeletClientAuthority || old == nil || s.Kubelet == nil || s.Kubelet.Own == nil ||
			s.Kubelet.Own.Issuer != old.Subject.String() {
			continue
		}
		return fmt.Sprintf("its kubelet asks with a certificate by %s, which API servers will refuse; it gets one by "+
			"%s once the signer has the grant of stage issue", m.Old, m.Next)
	}
	return ""
}

// signedUntil says until when certificates may be valid that an online signer signed by an
// authority that goes: by its journal, if the plan takes it in, else by how long
// certificates live that it signed until the stage before; zero: there is no grant.
func (r *rolling) signedUntil(m Move) (until time.Time, err error) {
	if r.Journal != nil {
		old := r.chain.last().certificate(m.Old)
		err := r.Journal.each(r.in, func(c *proof.Certificate) {
			by := schedule.Online(c).Issuer
			if old != nil && by.By(old) && c.X509().NotAfter.After(until) {
				until = c.X509().NotAfter
			}
		})
		return until, err
	}
	issuing := r.chain.last() // the first in which the successor issues
	life := plan.Life(0)
	for _, p := range r.chain.all {
		switch by := p.plan.Plan.Issuing(m.Family); {
		case by == nil:
		case by.Name == m.Next:
			issuing = p
		default:
			life = max(life, p.plan.Plan.Grant.Life)
		}
	}
	if life == 0 {
		return until, nil
	}
	return issuing.Ended.Add(time.Duration(life)), nil
}

// online says what a stage is to the host of an online signer.
func (r *rolling) online(out *Rollover) error {
	for _, m := range out.Moves {
		switch {
		case !m.Family.Online():
		case r.Stage == Trust:
			out.Says = append(out.Says, fmt.Sprintf("%s: give the signer's station the key of %s, and restart the "+
				"signer, before the next stage", m.Family, m.Next))
		case r.Stage == Issue:
			out.Says = append(out.Says, fmt.Sprintf("%s: when API servers have this stage, put its grant in place on "+
				"the signer's host and send SIGHUP", m.Family))
		case r.Stage == Drop:
			until, err := r.signedUntil(m)
			if err != nil {
				return err
			}
			if until.After(r.Now) {
				out.Says = append(out.Says, fmt.Sprintf("%s: certificates by %s may be valid until %s: install the "+
					"bundles after that", m.Family, m.Old, until.UTC().Format(time.RFC3339)))
			}
		}
	}
	return nil
}
