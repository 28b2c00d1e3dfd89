package main

import (
	"fmt"

	"officiant/ceremony/next"
	"officiant/cmd/internal/exit"
)

// tokens lists what no bundle reaches: running API servers, and tokens.
func (o *rolloverOptions) tokens(r *next.Rollover) error {
	w := o.Stdout
	fmt.Fprint(
		w,
		"\nOutside bundles, once this stage is installed and every API server and controller manager is restarted:\n",
	)
	fmt.Fprint(w, `
- what an API server believes; a status shows files alone, so ask each
    kubectl --server https://ADDRESS:6443 get --raw /openid/v1/jwks | jq -r '.keys[].kid'
- who verifies tokens elsewhere by a copy of these keys (clouds, Vault): give it the new ones
    kubectl get --raw /openid/v1/jwks
`)
	if len(r.Former) == 0 {
		return nil
	}
	fmt.Fprint(w, `
- which key signs now
    kubectl create token default | tr '_-' '/+' | jq -rR 'split(".")[0] | @base64d | fromjson.kid'
- pods get a new token within the hour, and programs that read it once keep the old: restart them;
  the API server counts tokens that are used past their hour
    kubectl get --raw /metrics | grep ^serviceaccount_stale_tokens_total
`)
	for _, id := range r.Former {
		_, err := fmt.Fprintf(w, `
- tokens of Secrets by %[1]s, which never end
    kubectl get secrets -A --field-selector type=kubernetes.io/service-account-token -o json `+
			`| jq -r --arg kid %[1]s '.items[] | select(.data.token) `+
			`| select((.data.token | @base64d | split(".")[0] `+
			`| gsub("_"; "/") | gsub("-"; "+") | @base64d | fromjson.kid) == $kid) `+
			`| "\(.metadata.namespace) \(.metadata.name)"'
  without its token a Secret gets a new one from the controller manager; who holds a copy takes that
    kubectl -n NAMESPACE patch secret NAME --type json -p '[{"op": "remove", "path": "/data/token"}]'
`, id)
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *rolloverOptions) announced(key string) error {
	_, err := fmt.Fprintf(o.Stdout, `
Outside bundles, once this stage is installed:

- whoever keeps release.pub gets %[1]s beside it: officiant/release-next.pub of any bundle, or
  bundles/NODE/officiant/release-next.pub of the ceremony's directory, whose words the room read out
- a status shows that the node is ready for the next stage, as "announced":
    officiant-node status
- both keys are needed until all nodes have a bundle by %[1]s: keep the token of the old one
`, exit.Line(key))
	return err
}

func (o *rolloverOptions) succeeded(key string) error {
	_, err := fmt.Fprintf(o.Stdout, `
Outside bundles, once this stage is installed:

- release.pub of this ceremony's directory takes the place of the one that people and
  programs keep for officiant-node verify and install, and for officiant ceremony verify
- a node that missed the stage before installs its bundle of that first, or has the words of
  %s compared: officiant-node install --new-release-key "WORDS"
- a ceremony by it still verifies under the old key while the one that announced it is at hand:
    officiant ceremony verify DIR --previous DIR... --release-key OLD.pub
`, exit.Line(key))
	return err
}

func (o *rolloverOptions) replaced(key string) error {
	_, err := fmt.Fprintf(o.Stdout, `
The room reads the words of %s out when it is made. Whoever installs a bundle by it
compares them, by another way than its file came, and gives them once on each node:

    officiant-node install NODE.tar --release-key release.pub --new-release-key "WORDS"

Nothing by the lost key is taken there from then on. What it signed before stays as true
as the keeping of the key was: when somebody else may have it, no other node may take
a bundle by it any more.
`, exit.Line(key))
	return err
}
