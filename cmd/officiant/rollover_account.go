package main

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
	"officiant/cmd/internal/exit"
	"officiant/signer"
)

// accountStage is a stage in which the service-account pair is replaced.
func (o *rolloverOptions) accountStage(chain []*predecessor) (*replacement, error) {
	keys, ok := accountKeys(chain)
	if !ok {
		return nil, refuse("no ceremony named here says anything of a service-account key")
	}
	r := &replacement{account: true, mayLag: o.mayLag, lags: func(*predecessor, *install.Status) string { return "" }}
	r.outside = func() error { return o.tokens(keys) }
	switch o.stage {
	case stageTrust:
		return r, o.trustAccount(r, chain, keys)
	case stageIssue:
		return r, o.issueAccount(r, keys)
	}
	return r, o.dropAccount(r, chain, keys)
}

// accountKeys are the pairs of the newest ceremony that had any.
func accountKeys(chain []*predecessor) (transcript.AccountKeys, bool) {
	for _, l := range chain {
		if keys, ok := l.record.ServiceAccount(); ok {
			return keys, true
		}
	}
	return transcript.AccountKeys{}, false
}

// trustAccount makes the next pair. One that was made already is made anew only for
// a node that cannot open it.
func (o *rolloverOptions) trustAccount(r *replacement, chain []*predecessor, keys transcript.AccountKeys) error {
	pub, err := x509.ParsePKIXPublicKey(keys.InUse.PublicKey)
	if err != nil {
		return err
	}
	algorithm, err := signer.AlgorithmOf(pub)
	if err != nil {
		return err
	}
	r.says = []string{"service account: " + kid(keys.InUse.PublicKey) + " signs, API servers learn to believe the next key"}
	r.apply = func(p *plan.NewOptions) error {
		if keys.Next != nil && every(p.Nodes, func(n plan.Node) bool { return slices.Contains(keys.Next.Recipients, recipientOf(chain, n)) }) {
			return refuse("--stage trust: the next key, %s, is made already, and all these nodes can open it; the next stage is --stage issue", kid(keys.Next.PublicKey))
		}
		p.ServiceAccount.Next = plan.NextAccount{Create: algorithm}
		for _, n := range p.Nodes {
			if n.Renews() {
				return &exit.Error{Code: exit.Refused,
					Err: fmt.Errorf("node %s: the next service-account key is sealed to it, and nothing on record vouches for the recipient in its old request: it has to send a new one", n.Name),
					Hints: []string{"on the node: officiant-node request --reuse-keys …, which its present key vouches for",
						"then: --requests DIR, with a request of every control-plane node"}}
			}
		}
		return nil
	}
	return nil
}

func every(nodes []plan.Node, is func(plan.Node) bool) bool {
	return !slices.ContainsFunc(nodes, func(n plan.Node) bool { return !is(n) })
}

// recipientOf is a node's by its newest ceremony; empty when none knew it.
func recipientOf(chain []*predecessor, n plan.Node) string {
	for _, l := range chain {
		if to := l.plan.Recipient(n.Name); to != "" {
			return to
		}
	}
	return ""
}

// issueAccount has the next pair sign; sa.pub keeps the key that did.
func (o *rolloverOptions) issueAccount(r *replacement, keys transcript.AccountKeys) error {
	if keys.Next == nil {
		return refuse("--stage issue: the last ceremony made no next service-account key; the first stage is --stage trust")
	}
	next := fingerprint.Of(keys.Next.PublicKey)
	r.says = []string{fmt.Sprintf("service account: %s signs, API servers still believe %s", kid(keys.Next.PublicKey), kid(keys.InUse.PublicKey))}
	r.lags = func(_ *predecessor, s *install.Status) string {
		if slices.ContainsFunc(s.ServiceAccount, func(k install.ServiceAccountKey) bool { return k.SPKI == next }) {
			return ""
		}
		return "it does not believe the next service-account key: no bundle of the stage before was made for it"
	}
	r.apply = func(p *plan.NewOptions) error {
		sa := &p.ServiceAccount
		sa.Former = slices.Insert(sa.Former, 0, sa.Public)
		sa.Sealed, sa.Public, sa.Next = sa.Next.Sealed, sa.Next.Public, plan.NextAccount{}
		for i := range p.Nodes {
			p.Nodes[i].Sealed = "" // of the pair before
		}
		return nil
	}
	return nil
}

// dropAccount ends the tokens of former pairs, once they have ended by themselves.
func (o *rolloverOptions) dropAccount(r *replacement, chain []*predecessor, keys transcript.AccountKeys) error {
	if len(keys.InUse.Former) == 0 {
		return refuse("--stage drop: API servers believe no former service-account key")
	}
	life, err := tokenLife(o.tokenLife)
	if err != nil {
		return exit.Usagef("--token-life: %v", err)
	}
	since, ceremony := signsSince(chain, keys.InUse.PublicKey)
	if end := since.Add(life); o.now.Before(end) {
		return &exit.Error{Code: exit.Refused,
			Err: fmt.Errorf("tokens signed with the former service-account key may live until %s: %s from the end of ceremony %d, which had the new key sign",
				end.UTC().Format(time.RFC3339), o.tokenLife, ceremony.open.Sequence),
			Hints: []string{
				"count from when the last control-plane node was restarted with it; --token-life is --service-account-max-token-expiration of kube-apiserver, or 1y while it extends tokens (--service-account-extend-token-expiration, its default)",
				"when every such token was replaced, and none is left that was written down: --token-life 0",
				"tokens of Secrets never end: docs/succession.md finds and replaces them"}}
	}
	used := fingerprint.Of(keys.InUse.PublicKey)
	var gone []string
	for _, der := range keys.InUse.Former {
		gone = append(gone, kid(der))
	}
	r.says = []string{fmt.Sprintf("service account: %s signs, API servers believe %s no more", kid(keys.InUse.PublicKey), strings.Join(gone, ", "))}
	r.lags = func(_ *predecessor, s *install.Status) string {
		if len(s.ServiceAccount) > 0 && s.ServiceAccount[0].SPKI == used {
			return ""
		}
		return "it signs tokens with another service-account key still: no bundle of the stage before was made for it"
	}
	r.mayLag = func(_ []kubepki.Node, late []string) error {
		if len(late) == 0 {
			return nil
		}
		return refuse("--lagging %s: its tokens were signed with the former key until now, and would end at once: bring it to the stage before, and wait again", strings.Join(late, ", "))
	}
	r.apply = func(p *plan.NewOptions) error { p.ServiceAccount.Former = nil; return nil }
	return nil
}

// tokenLife reads how long a token lives; 0 when none is left.
func tokenLife(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	var d plan.Duration
	err := d.UnmarshalText([]byte(s))
	return time.Duration(d), err
}

// signsSince is when the oldest of these ceremonies ended that has the pair in use
// without a break.
func signsSince(chain []*predecessor, public []byte) (time.Time, *predecessor) {
	first := chain[0]
	for _, l := range chain {
		keys, ok := l.record.ServiceAccount()
		if ok && string(keys.InUse.PublicKey) != string(public) {
			break
		}
		if ok {
			first = l
		}
	}
	return first.record.Lines[len(first.record.Lines)-1].Time, first
}

// kid is what tokens that a key verifies say of it, and API servers show.
func kid(der []byte) string {
	sum := fingerprint.Of(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// tokens lists what no bundle reaches: running API servers, and tokens.
func (o *rolloverOptions) tokens(keys transcript.AccountKeys) error {
	w := o.Stdout
	fmt.Fprint(w, "\nOutside bundles, once this stage is installed and every API server and controller manager is restarted:\n")
	fmt.Fprint(w, `
- what an API server believes; a status shows files alone, so ask each
    kubectl --server https://ADDRESS:6443 get --raw /openid/v1/jwks | jq -r '.keys[].kid'
- who verifies tokens elsewhere by a copy of these keys (clouds, Vault): give it the new ones
    kubectl get --raw /openid/v1/jwks
`)
	former := keys.InUse.Former
	if o.stage == stageIssue {
		former = slices.Insert(slices.Clone(former), 0, keys.InUse.PublicKey)
	}
	if o.stage == stageTrust || len(former) == 0 {
		return nil
	}
	fmt.Fprint(w, `
- which key signs now
    kubectl create token default | tr '_-' '/+' | jq -rR 'split(".")[0] | @base64d | fromjson.kid'
- pods get a new token within the hour, and programs that read it once keep the old: restart them;
  the API server counts tokens that are used past their hour
    kubectl get --raw /metrics | grep ^serviceaccount_stale_tokens_total
`)
	for _, der := range former {
		_, err := fmt.Fprintf(w, `
- tokens of Secrets by %[1]s, which never end
    kubectl get secrets -A --field-selector type=kubernetes.io/service-account-token -o json | jq -r --arg kid %[1]s '.items[] | select(.data.token) | select((.data.token | @base64d | split(".")[0] | gsub("_"; "/") | gsub("-"; "+") | @base64d | fromjson.kid) == $kid) | "\(.metadata.namespace) \(.metadata.name)"'
  without its token a Secret gets a new one from the controller manager; who holds a copy takes that
    kubectl -n NAMESPACE patch secret NAME --type json -p '[{"op": "remove", "path": "/data/token"}]'
`, kid(der))
		if err != nil {
			return err
		}
	}
	return nil
}
