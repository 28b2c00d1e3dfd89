package schedule

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"officiant/signer"
)

// made has the ceremony make the worker's keys.
func made(t *testing.T, keys string) (string, map[string]string) {
	t.Helper()
	o := honest(t)
	text, inputs := planFor(t, o, cp1, work)
	text = withoutWords(text)
	i := strings.Index(text, "    request: requests/worker-1.req\n")
	return text[:i] + keys, inputs
}

func TestNodeKeys(t *testing.T) {
	to := recipients["cp-2"]
	text, inputs := made(t, "    keys: {create: ECDSA-P384, recipient: "+to+"}\n")
	c, err := opens(text, inputs)
	if err != nil {
		t.Fatal(err)
	}
	schedule := written(c)
	for _, want := range []string{
		` leaf signer=kubernetes name=worker-1/kubelet.conf subject="CN=system:node:worker-1,O=system:nodes" usage=digitalSignature,keyEncipherment,clientAuth ca=false duration=8760h key=new:ECDSA-P384 sig=ECDSA-SHA256` + "\n",
		` bundle signer=release name="bundle worker-1" recipient=` + to + ` sig=ECDSA-SHA256` + "\n",
		` vouched=fingerprint `,
	} {
		if !strings.Contains(schedule, want) {
			t.Errorf("no line %q in\n%s", want, schedule)
		}
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Message, "its keys are made in the ceremony; whoever opens what is sealed to "+to+" has them all") {
		t.Errorf("warnings: %v", c.Warnings)
	}
	if c.Recipient("worker-1") != to || c.Recipient("cp-1") != recipients["cp-1"] || c.Recipient("x") != "" {
		t.Error("recipients are not the plan's and the request's")
	}
	for _, e := range c.Entries {
		if want := e.Name == "worker-1/kubelet.conf"; (e.Made == signer.ECDSAP384) != want {
			t.Errorf("%s: made %q", e.Name, e.Made)
		}
	}
	if diff := cmp.Diff([]string{"kubelet.conf"}, c.LeavesOf("worker-1")); diff != "" {
		t.Error(diff)
	}
	// Keys that are made are none of a token's.
	if got := strings.Join(c.KeysNeeded(), " "); got != "root kubernetes etcd front-proxy release" {
		t.Errorf("keys needed: %s", got)
	}
}

func TestNodeKeysRefused(t *testing.T) {
	to := recipients["cp-2"]
	for _, tt := range []struct{ name, keys, want string }{
		{"neither", "", "node worker-1 has no request"},
		{"no recipient", "    keys: {create: ECDSA-P256}\n", "node worker-1: keys that are made in the ceremony need a recipient (age1…) to be sealed to"},
		{"no algorithm", "    keys: {recipient: " + to + "}\n", `node worker-1: a node's keys are ECDSA-P256, ECDSA-P384, RSA-2048, RSA-3072 or RSA-4096, not ""`},
		{"an algorithm kubeadm does not load", "    keys: {create: ECDSA-P521, recipient: " + to + "}\n", `node worker-1: a node's keys are ECDSA-P256, ECDSA-P384, RSA-2048, RSA-3072 or RSA-4096, not "ECDSA-P521"`},
		{"no recipient of age", "    keys: {create: ECDSA-P256, recipient: alice}\n", `node worker-1: recipient "alice" is none of age1…, ssh-ed25519 …, ssh-rsa …`},
		{"an identity", "    keys: {create: ECDSA-P256, recipient: AGE-SECRET-KEY-1X}\n", "node worker-1: a recipient was expected, and this is an identity: it is secret"},
		{"an SSH key", "    keys: {create: ECDSA-P256, recipient: " + strings.TrimSpace(known("", hostKey(t))) + "}\n", "node worker-1: is not an X25519 recipient of age (age1…)"},
		{"beside a request", "    request: requests/worker-1.req\n    keys: {create: ECDSA-P256, recipient: " + to + "}\n",
			"node worker-1: its keys come from its request, or are made in the ceremony (keys), and not both"},
		{"beside a fingerprint", "    fingerprint: \"" + strings.Repeat("1", 64) + "\"\n    keys: {create: ECDSA-P256, recipient: " + to + "}\n",
			"node worker-1: its keys come from its request, or are made in the ceremony (keys), and not both"},
		{"an unknown field", "    keys: {create: ECDSA-P256, sealTo: x}\n", `unknown field "sealTo" in keys`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, inputs := made(t, tt.keys)
			c, err := opens(text, inputs)
			if err == nil {
				t.Fatalf("accepted:\n%s", written(c))
			}
			got := problems(t, err)
			if len(got) != 1 || !strings.HasSuffix(got[0], ": "+tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}
