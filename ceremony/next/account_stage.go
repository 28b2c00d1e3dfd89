package next

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// accountStage is a stage in which the service-account pair is replaced.
func (r *rolling) accountStage() (stage, error) {
	keys := r.chain.Accounts()
	if keys == nil {
		return nil, refuse("no ceremony named here says anything of a service-account key")
	}
	base := account{r.chain, *keys}
	switch r.Stage {
	case Trust:
		pub, err := x509.ParsePKIXPublicKey(keys.InUse.PublicKey)
		if err != nil {
			return nil, err
		}
		algorithm, err := signer.AlgorithmOf(pub)
		return trustAccount{base, algorithm}, err
	case Issue:
		if keys.Next == nil {
			return nil, stageRefused(
				Trust,
				"stage issue: the last ceremony made no next service-account key; the first stage is "+
					"trust",
			)
		}
		return issueAccount{base}, nil
	}
	return r.dropAccount(base)
}

// account is what the stages of the service-account pair have in common.
type account struct {
	chain Chain
	keys  transcript.AccountKeys
}

// keyID is what tokens that a key verifies say of it, and API servers show.
func keyID(der []byte) string {
	sum := fingerprint.Of(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func keyIDs(list [][]byte) []string {
	var out []string
	for _, der := range list {
		out = append(out, keyID(der))
	}
	return out
}

// trustAccount makes the next pair. One that was made already is made anew only for
// a node that cannot open it.
type trustAccount struct {
	account
	algorithm signer.Algorithm
}

func (a trustAccount) describe(out *Rollover) {
	out.Says = []string{
		"service account: " + keyID(a.keys.InUse.PublicKey) + " signs, API servers learn to believe the next key",
	}
}

func (a trustAccount) lags(*Previous, *install.Status) string { return "" }

func (a trustAccount) apply(p *plan.NewOptions) error {
	opens := func(n plan.Node) bool { return slices.Contains(a.keys.Next.Recipients, a.chain.recipient(n.Name)) }
	if a.keys.Next != nil && !slices.ContainsFunc(p.Nodes, func(n plan.Node) bool { return !opens(n) }) {
		return stageRefused(Issue, "stage trust: the next key, %s, is made already, and all these nodes can open it; the "+
			"next stage is issue", keyID(a.keys.Next.PublicKey))
	}
	p.ServiceAccount.Next = plan.NextAccount{Create: a.algorithm}
	for _, n := range p.Nodes {
		if n.Renews() {
			return &Refused{
				Err: fmt.Errorf(
					"node %s: the next service-account key is sealed to it, and nothing on record vouches for the recipient in "+
						"its old request: it has to send a new one",
					n.Name,
				),
				Hints: by(ReuseKeys),
			}
		}
	}
	return nil
}

// recipient is a node's by its newest ceremony; empty when none knew it.
func (c Chain) recipient(node string) string {
	for _, l := range c.all {
		if to := l.plan.Recipient(node); to != "" {
			return to
		}
	}
	return ""
}

// issueAccount has the next pair sign; sa.pub keeps the key that did.
type issueAccount struct{ account }

func (a issueAccount) describe(out *Rollover) {
	out.Says = []string{
		fmt.Sprintf(
			"service account: %s signs, API servers still believe %s",
			keyID(a.keys.Next.PublicKey),
			keyID(a.keys.InUse.PublicKey),
		),
	}
	out.Former = keyIDs(slices.Insert(slices.Clone(a.keys.InUse.Former), 0, a.keys.InUse.PublicKey))
}

func (a issueAccount) lags(_ *Previous, s *install.Status) string {
	next := fingerprint.Of(a.keys.Next.PublicKey)
	if slices.ContainsFunc(s.ServiceAccount, func(k install.ServiceAccountKey) bool { return k.SPKI == next }) {
		return ""
	}
	return "it does not believe the next service-account key: no bundle of the stage before was made for it"
}

func (a issueAccount) mayLag(nodes []kubepki.Node, late []string) error {
	return oneAtATime(nodes, late)
}

func (a issueAccount) apply(p *plan.NewOptions) error {
	sa := &p.ServiceAccount
	sa.Former = slices.Insert(sa.Former, 0, sa.Public)
	sa.Sealed, sa.Public, sa.Next = sa.Next.Sealed, sa.Next.Public, plan.NextAccount{}
	for i := range p.Nodes {
		p.Nodes[i].Sealed = "" // of the pair before
	}
	return nil
}

// dropAccount has API servers believe the pair in use alone.
type dropAccount struct{ account }

// dropAccount ends the tokens of former pairs, once they have ended by themselves.
func (r *rolling) dropAccount(base account) (stage, error) {
	keys := base.keys
	if len(keys.InUse.Former) == 0 {
		return nil, refuse("stage drop: API servers believe no former service-account key")
	}
	made := r.chain.signsSince(keys.InUse.PublicKey)
	if end := made.Ended.Add(r.TokenLife); r.Now.Before(end) {
		return nil, &Refused{
			Err: fmt.Errorf(
				"tokens signed with the former service-account key may live until %s: %s from the end of ceremony %d, which "+
					"had the new key sign",
				end.UTC().Format(time.RFC3339),
				plan.Duration(r.TokenLife),
				made.Open.Sequence,
			),
			Hints: append(by(TokensHaveEnded), plainly("tokens of Secrets never end: docs/succession.md finds and replaces "+
				"them")...),
		}
	}
	return dropAccount{base}, nil
}

// signsSince is the oldest of these ceremonies that has the pair in use without a break.
func (c Chain) signsSince(public []byte) *Previous {
	first := c.last()
	for _, l := range c.all {
		if l.Accounts == nil {
			continue
		}
		if string(l.Accounts.InUse.PublicKey) != string(public) {
			break
		}
		first = l
	}
	return first
}

func (a dropAccount) describe(out *Rollover) {
	out.Former = keyIDs(a.keys.InUse.Former)
	out.Says = []string{
		fmt.Sprintf(
			"service account: %s signs, API servers believe %s no more",
			keyID(a.keys.InUse.PublicKey),
			strings.Join(out.Former, ", "),
		),
	}
}

func (a dropAccount) lags(_ *Previous, s *install.Status) string {
	if len(s.ServiceAccount) > 0 && s.ServiceAccount[0].SPKI == fingerprint.Of(a.keys.InUse.PublicKey) {
		return ""
	}
	return "it signs tokens with another service-account key still: no bundle of the stage before was made for it"
}

func (a dropAccount) mayLag(_ []kubepki.Node, late []string) error {
	if len(late) == 0 {
		return nil
	}
	return refuse(
		"node %s lags: its tokens were signed with the former key until now, and would end at once: bring it to the "+
			"stage before, and wait again",
		strings.Join(late, ", "),
	)
}

func (a dropAccount) apply(p *plan.NewOptions) error {
	p.ServiceAccount.Former = nil
	return nil
}
