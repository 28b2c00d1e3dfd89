package schedule

import (
	"strings"
	"testing"
	"time"

	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
)

const onlineCAs = `  - {name: kubelet-serving, key: {create: ECDSA-P256}, evidence: software}
  - {name: kubelet-client, key: {create: ECDSA-P256}, evidence: software}
`

// TestOnlineAuthorities: an online signer's authorities are named among the others, come
// last of them, live 90 days, and make facts of the cluster; without them nothing changes.
func TestOnlineAuthorities(t *testing.T) {
	without, err := opens(bare, nil)
	if err != nil || without.Cluster.KubeletServing || without.Cluster.KubeletClient {
		t.Fatalf("%+v: %v", without, err)
	}
	both, err := opens(strings.Replace(bare, "release:\n", onlineCAs+"release:\n", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !both.Cluster.KubeletServing || !both.Cluster.KubeletClient {
		t.Errorf("the cluster is %+v", both.Cluster)
	}
	names, _ := signs(both)
	const want = "root signs kubelet-serving, root signs kubelet-client, release signs transcript"
	if got := strings.Join(names[4:], ", "); got != want {
		t.Errorf("after the others %s", got)
	}
	if e := both.Entries[5]; e.Duration != 90*24*time.Hour || e.CommonName != "kubelet-client-ca" {
		t.Errorf("%s for %s", e.CommonName, e.Duration)
	}
	own := "  - {name: own-name, family: kubelet-client, validity: 30d" + withNewKey
	one := strings.Replace(bare, "release:\n", own+"release:\n", 1)
	if o, err := opens(one, nil); err != nil || o.Cluster.KubeletServing || !o.Cluster.KubeletClient {
		t.Errorf("one of them under a name of its own: %v", err)
	}
}

// TestOnlineAuthorityEnded: what others need, they get also when an online signer's
// authority has ended; the plan's readers are told.
func TestOnlineAuthorityEnded(t *testing.T) {
	for name, c := range map[string]struct {
		ca      string
		refuses bool
	}{"kubelet-client": {"kubelet-client", false}, "front-proxy": {"front-proxy", true}} {
		p := makePast(t, append(defaultCAs[:len(defaultCAs):len(defaultCAs)],
			ca{"kubelet-client", 0, now.AddDate(0, 0, 1), "root", true}), genesisOpen, "closed", recipients["cp-1"])
		p.recorded(p.certified(t, cp1, honest(t)["cp-1"], nil)...)
		ends := p.certs[c.ca].NotAfter.Add(time.Hour)
		authorities := p.entry(t, "root", "") + p.entry(t, "kubernetes", "") + p.entry(t, "etcd", "") +
			p.entry(t, "front-proxy", "") + p.entry(t, "kubelet-client", "")
		o, err := opensAt(ends, withAuthorities(p.renewing(t, cp1, ""), authorities), p.files)
		switch {
		case c.refuses:
			if err == nil || !strings.Contains(err.Error(), "expired on") {
				t.Errorf("%s: %v", name, err)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		default:
			w := warnings(o.Warnings)
			if !strings.Contains(w, "the online signer signs nothing with it until it is renewed") {
				t.Errorf("%s: warnings %s", name, w)
			}
		}
	}
}

func warnings(list []plan.Problem) string {
	var out []string
	for _, p := range list {
		out = append(out, p.Message)
	}
	return strings.Join(out, "\n")
}

// TestOnlineRefused: what an online signer's authority cannot be.
func TestOnlineRefused(t *testing.T) {
	const client = "  - {name: kubelet-client, "
	for want, more := range map[string]string{
		"are both of family kubelet-client":        onlineCAs + "  - {name: a, family: kubelet-client" + withNewKey,
		"and none of family kubelet-client issues": client + "use: trust" + withNewKey,
		"is not root, kubernetes, etcd, front-proxy, kubelet-serving or kubelet-client": "  - {name: k, " +
			"family: kubelet-clients" + withNewKey,
		"the root and an online signer's are the ceremony's own": client + "adopted: true}\n",
		"longer than its issuer root":                            client + "validity: 30y" + withNewKey,
	} {
		if _, err := opens(strings.Replace(bare, "release:\n", more+"release:\n", 1), nil); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	if kubepki.KubernetesAuthority.Online() || kubepki.Root.Online() {
		t.Error("every cluster's authorities are no online signer's")
	}
}
