package next

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
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
	again []takenBefore        // journals that have what is revoked
	keys  []fingerprint.SHA256 // of what is revoked
}

// Revoke makes the revocation lists that a revocation changes, and etcd's bundles.
func Revoke(chain Chain, o RevokeOptions, changes Changes) (*Revocation, error) {
	if err := chain.whole(); err != nil {
		return nil, err
	}
	w := &revoking{changes.begin(chain, 0), o, nil, nil}
	found, err := w.targets()
	if err != nil {
		return nil, err
	}
	if err := w.draft(); err != nil {
		return nil, err
	}
	w.leaves()
	if err := w.journalsAgain(); err != nil {
		return nil, err
	}
	w.refuseKeys()
	if err := w.lists(found); err != nil {
		return nil, err
	}
	out := &Revocation{Revoked: found}
	if out.Left, err = w.etcdNodes(); err != nil {
		return nil, err
	}
	if err := w.roots(); err != nil {
		return nil, err
	}
	if out.Ceremony, err = w.open(); err != nil {
		return nil, err
	}
	out.Proposal = w.proposal(out.Ceremony)
	return out, nil
}

// passed counts what was asked for and is not revoked.
type passed struct{ ended, before, gone int }

func (p passed) String() string {
	text := fmt.Sprintf("of what was asked for, %d have ended and %d are revoked already", p.ended, p.before)
	if p.gone > 0 {
		text += fmt.Sprintf("; nobody takes %d more, since their authorities are not trusted any more", p.gone)
	}
	return text
}

// targets finds what is to be revoked on the chain's records: all of it that has
// not ended, abandoned certificates included, since they may exist. Of a node, or a
// request, what nobody takes any more is passed over.
func (w *revoking) targets() ([]Revoked, error) {
	if w.Refresh {
		return nil, nil
	}
	wanted := w.wanted()
	hit := map[string]bool{}
	var found []Revoked
	var over passed
	for _, p := range slices.Concat(w.chain.all, w.chain.given) {
		for c := range p.Certificates() {
			typed, bySerial := wanted.of(c)
			if typed == "" {
				continue
			}
			hit[typed] = true
			_, revoked := w.chain.Revoked(c.Serial)
			switch {
			case c.NotAfter.Before(w.Now):
				over.ended++
				continue
			case revoked:
				over.before++
				continue
			}
			t, err := w.target(c)
			switch {
			case err == nil:
				found, w.keys = append(found, t), append(w.keys, c.SPKI)
			case bySerial:
				return nil, err
			default:
				over.gone++
			}
		}
	}
	online, err := w.online(wanted, hit, &over)
	if err != nil {
		return nil, err
	}
	found = append(found, online...)
	for _, what := range slices.Concat(w.Serials, w.Of, w.MadeBy) {
		if !hit[what] {
			return nil, &Refused{Err: fmt.Errorf("%s: no certificate of that on these records", what),
				Hints: plainly("an older ceremony may have issued it: "+allOfThem,
					"see what there is:  officiant ceremony inventory DIR...")}
		}
	}
	if len(found) == 0 {
		return nil, refuse("nothing to revoke: %s", over)
	}
	slices.SortStableFunc(found, func(a, b Revoked) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

// wanted is what is asked for, each as it was typed.
type wanted struct {
	serials map[history.Serial]string
	nodes   []string
	made    map[string]string // by requests, as HEAD/NAME
}

// of is what was typed that names a certificate; empty: nothing did.
func (w wanted) of(c history.Certificate) (typed string, bySerial bool) {
	if typed := w.serials[c.Serial]; typed != "" {
		return typed, true
	}
	if node := c.Node(); node != "" && slices.Contains(w.nodes, node) {
		return node, false
	}
	return w.made[fmt.Sprintf("%s/%s", c.Of.Head, c.Name)], false
}

func (w *revoking) wanted() wanted {
	out := wanted{map[history.Serial]string{}, w.Of, map[string]string{}}
	for _, typed := range w.Serials {
		if n, err := revocation.ParseSerial(typed); err == nil {
			if s, ok := history.SerialOf(n); ok {
				out.serials[s] = typed
			}
		}
	}
	for _, typed := range w.MadeBy {
		var f fingerprint.SHA256
		if f.UnmarshalText([]byte(typed)) != nil {
			continue
		}
		for _, p := range slices.Concat(w.chain.all, w.chain.given) {
			for e := range p.plan.All(schedule.LeafCertificate) {
				if r := p.plan.Requests[e.Node]; r != nil && r.Fingerprint == f {
					out.made[fmt.Sprintf("%s/%s", p.Head, e.Name)] = typed
				}
			}
		}
	}
	return out
}

// target finds the authority of the last plan that issued a certificate, and has
// to be the one to revoke it.
func (w *revoking) target(c history.Certificate) (Revoked, error) {
	t := Revoked{Serial: c.Serial.String(), Name: c.Name, Authority: c.Signer, Until: c.NotAfter}
	by := w.chain.last().authority(c.Signer)
	switch {
	case c.CA && c.SelfIssued:
		return t, &Refused{Err: fmt.Errorf("%s (%s) is a root: no list can say that of it", t.Name, t.Serial),
			Hints: plainly("it has to be replaced: officiant ceremony rollover (docs/rollover.md)")}
	case c.State == history.Received, by != nil && by.External:
		return t, refuse("%s (%s) was certified by an external root: it is revoked there", t.Name, t.Serial)
	case by == nil, c.Of.AbandonmentClosed && !w.issued(c):
		return t, refuse("%s (%s) was issued by authority %s, which nodes do not trust any more: nobody takes it",
			t.Name, t.Serial, c.Signer)
	case w.chain.revokedItself(c.Signer):
		return t, refuse("%s (%s) was issued by authority %s, which is revoked itself, and with it all it issued",
			t.Name, t.Serial, c.Signer)
	}
	t.Client = by.Family == kubepki.KubernetesAuthority || by.Family == kubepki.FrontProxyAuthority
	return t, nil
}

// issued says whether a certificate of a ceremony that was given up is by the key that
// its authority has: it may have made another one of the same name.
func (w *revoking) issued(c history.Certificate) bool {
	issuer := w.chain.last().certificate(c.Signer)
	return issuer != nil && c.Issuer.By(issuer)
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
	revokes := map[history.Serial]bool{} // in this plan
	for _, v := range w.p.Revocations {
		if serial, ok := history.SerialOf(v.Serial.Int); ok {
			revokes[serial] = true
		}
	}
	if err := w.gather(); err != nil {
		return nil, err
	}
	var nodes []requester
	for _, n := range w.nodes {
		switch {
		case !slices.Contains(n.node.Roles, kubepki.Etcd):
		case w.hasRevoked(n.node.Name, revokes) || n.request == nil && n.granted == nil:
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

// hasRevoked says whether any of a node's newest certificates is on a list, or
// will be by this plan.
func (w *revoking) hasRevoked(node string, revokes map[history.Serial]bool) bool {
	for _, c := range w.chain.NewestOf(node) {
		if _, is := w.chain.Revoked(c.Serial); is || revokes[c.Serial] {
			return true
		}
	}
	return false
}
