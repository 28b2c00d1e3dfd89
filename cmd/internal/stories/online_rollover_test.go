package stories

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"officiant/ceremony/online/onlinetest"
	"officiant/cmd/internal/commandtest"
)

// withoutSigner is a cluster that runs, with no authority of an online signer.
const withoutSigner = `
officiant softhsm init --dir room --station made.yaml --online-signer
grep -v '^  kubelet-' made.yaml >station.yaml
officiant signer create demo/journal --station made.yaml --algorithm ECDSA-P256 --evidence software \
  -o json >journal-key.json
mkdir requests
config=$SOURCE/softhsm/demo/cp-1.yaml
officiant-node request --kubeadm "$config" --roles control-plane,etcd --root nodes/cp-1 --out requests/cp-1.req
officiant-node request --roles worker --name worker-1 --cluster demo --kubernetes-version v1.37.2 \
  --control-plane-endpoint api.demo.test:6443 --root nodes/worker-1 --out requests/worker-1.req
officiant ceremony new --kubeadm "$config" --requests requests --station-grade software --out one/plan.yaml
digest=$(officiant ceremony check one/plan.yaml --digest)
officiant ceremony run one/plan.yaml --station station.yaml --dir ceremonies/1 --confirm "$digest"
cp ceremonies/1/release.pub .
`

// installed puts the newest bundles in place, and takes every node's status.
const installed = `mkdir -p status
for node in cp-1 worker-1; do
  bundle=$(ls -d ceremonies/*/bundles/$node.tar | sort -V | tail -n 1)
  officiant-node install $bundle --release-key release.pub --root nodes/$node
  officiant-node status --root nodes/$node -o json >status/$node.json
done
`

// TestOnlineRollover: a cluster that runs gets an online signer, whose authority for
// kubelets' clients is then replaced in stages. What the old one signed logs in until the
// last of them, which waits for the kubelets.
func TestOnlineRollover(t *testing.T) {
	needSoftHSM(t)
	needTool(t, "jq")
	if err := commandtest.Build(source, programs, "officiant-signer", "1"); err != nil {
		t.Fatal(err)
	}
	c := &clerk{t: t, dir: t.TempDir(), held: 1}
	shell(t, c.dir, withoutSigner+installed)
	typed := pageBlocks(t, "signer.md", "## In a cluster that runs")
	if len(typed) != 1 || !strings.Contains(typed[0], "--online-signer") {
		t.Fatalf("the page has no such command: %q", typed)
	}
	out := shell(t, c.dir, typed[0])
	if !strings.Contains(out, "Add where the kubelet-client key is to live to the station") {
		t.Errorf("nobody is told of the keys:\n%s", out)
	}
	out = shell(t, c.dir, "cp made.yaml station.yaml; officiant ceremony check plan.yaml")
	for _, want := range []string{"the online signer's: kubelet client certificates",
		"the online signer's: kubelet serving certificates"} {
		if !strings.Contains(out, want) {
			t.Errorf("check does not say %q:\n%s", want, out)
		}
	}
	c.hold(2, "plan.yaml")
	shell(t, c.dir, installed)
	c.trusts("kubernetes kubelet-client-ca")
	c.refused("the cluster has the authorities of an online signer already",
		"officiant ceremony renew ceremonies --online-signer --out no/plan.yaml")

	old := c.certify("worker-1")
	stages := pageBlocks(t, "signer.md", "## Replace the key of an authority")
	if len(stages) != 3 {
		t.Fatalf("the page has %d commands for three stages: %q", len(stages), stages)
	}
	shell(t, c.dir, "sed -i 's/^  kubelet-client: \\(.*\\)/&\\n  kubelet-client-2: \\1/' station.yaml made.yaml")
	for i, want := range []string{"kubernetes kubelet-client-ca kubelet-client-2",
		"kubernetes kubelet-client-2 kubelet-client-ca", "kubernetes kubelet-client-2"} {
		if i == 2 {
			c.refused("node worker-1: its kubelet asks with a certificate by kubelet-client, which API servers will "+
				"refuse", stages[i])
			forced := strings.Replace(stages[i], "drop/plan.yaml", "forced/plan.yaml --lagging worker-1", 1)
			const aside = "Node worker-1: once API servers have this stage, move /var/lib/kubelet/pki/kubelet-client-*"
			if out := shell(t, c.dir, forced); !strings.Contains(out, aside) {
				t.Errorf("nobody is told what a kubelet needs that is cut off:\n%s", out)
			}
			if by := c.issuer(c.certify("worker-1")); !strings.Contains(by, "kubelet-client-2") {
				t.Errorf("by the grant of stage issue it is signed by %s", by)
			}
			shell(t, c.dir, installed)
		}
		out := shell(t, c.dir, stages[i])
		if i == 2 && !strings.Contains(out, "certificates by kubelet-client may be valid until ") {
			t.Errorf("nobody is told until when the last one is valid:\n%s", out)
		}
		c.hold(3+i, []string{"trust", "issue", "drop"}[i]+"/plan.yaml")
		if got := shell(t, c.dir, fmt.Sprintf("ls ceremonies/%d/bundles", 3+i)); strings.Contains(got, "worker") {
			t.Errorf("a worker gets a bundle, and has nothing of it:\n%s", got)
		}
		shell(t, c.dir, installed)
		c.trusts(want)
		if in := c.letsIn(old); in != (i < 2) {
			t.Errorf("stage %d: what the old authority signed logs in: %t", i, in)
		}
	}
	byHand := c.certifyByHand("worker-1")
	head := c.flags("journal.jsonl")
	shell(t, c.dir, "officiant ceremony renew ceremonies --out six/plan.yaml --grant hand.json "+head)
	if out := c.hold(6, "six/plan.yaml"); !strings.Contains(out, "3 certificates") {
		t.Errorf("the journal has not both authorities' certificates:\n%s", out)
	}
	// Of one name, whichever authority signed, the newest is rotating, and each is by whom
	// it is signed, whatever a grant called that.
	listed := shell(t, c.dir, `officiant ceremony inventory ceremonies -o json |
jq -r '.certificates[] | select(.name == "worker-1/kubelet-client") | "\(.serial) \(.authority) \(.state)"'`)
	want := c.serial(old) + " kubelet-client superseded\n" + c.serial("signed-2.pem") +
		" kubelet-client-2 superseded\n" + c.serial(byHand) + " kubelet-client-2 rotating\n"
	if listed != want {
		t.Errorf("the inventory has\n%swant\n%s", listed, want)
	}
	shell(t, c.dir, "officiant ceremony revoke ceremonies --reason superseded --out seven/plan.yaml --serial "+
		c.serial(byHand))
	c.hold(7, "seven/plan.yaml")
	list := shell(t, c.dir, "openssl crl -in ceremonies/7/crls/kubelet-client-2.crl -inform DER -noout -text")
	if !strings.Contains(strings.ToLower(list), c.serial(byHand)) {
		t.Errorf("what was signed by hand is not on its authority's list:\n%s", list)
	}
}

// certifyByHand is certify by a grant that no ceremony made, in which the new authority has
// the name of the one that went.
func (c *clerk) certifyByHand(node string) string {
	shell(c.t, c.dir, `jq --indent 1 '.authorities |= map(.name |= sub("kubelet-client-2"; "kubelet-client"))' \
  ceremonies/5/grant.json >hand.json
sed 's|^  kubelet-client: "\([^?]*\)|&;object=demo%2Fkubelet-client-2|; /^  kubelet-client-2:/d' \
  made.yaml >hand.yaml
officiant-signer sign-grant hand.json --station hand.yaml --confirm "$(sha256sum <hand.json | cut -d" " -f1)"`)
	return c.signed(node, "hand.json", "hand.yaml")
}

func (c *clerk) serial(file string) string {
	out := shell(c.t, c.dir, "openssl x509 -noout -serial -in "+file)
	return strings.ToLower(strings.TrimLeft(strings.TrimPrefix(strings.TrimSpace(out), "serial="), "0"))
}

// trusts wants these subjects in client-ca.crt of cp-1, in this order.
func (c *clerk) trusts(want string) {
	c.t.Helper()
	got := shell(c.t, c.dir, `openssl storeutl -certs -noout -text nodes/cp-1/etc/kubernetes/pki/client-ca.crt |
sed -n 's/.*Subject: .*CN *= *//p' | paste -sd' '`)
	if strings.TrimSpace(got) != want {
		c.t.Errorf("client-ca.crt has %s, want %s", got, want)
	}
}

// certify has the signer certify a client of a node by the newest grant, which its kubelet
// then uses. It returns the file's name.
func (c *clerk) certify(node string) string {
	c.t.Helper()
	return c.signed(node, fmt.Sprintf("ceremonies/%d/grant.json", c.held), "made.yaml")
}

// signed is certify by a grant and a station.
func (c *clerk) signed(node, grant, station string) string {
	c.t.Helper()
	list, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{
		asked("csr-1", onlinetest.ClientRequest(c.t, node, onlinetest.NewKey(c.t, "k")))}})
	if err != nil {
		c.t.Fatal(err)
	}
	c.write("csrs.json", list)
	c.batch++
	file := fmt.Sprintf("signed-%d.pem", c.batch)
	shell(c.t, c.dir, fmt.Sprintf(`officiant-signer batch csrs.json --grant %s --release-key release.pub \
  --station %s --journal journal.jsonl --out answers-%d
jq -rs 'map(select(.type == "issued"))[-1].data.certificate' journal.jsonl | base64 -d |
  openssl x509 -inform DER >%s
mkdir -p nodes/%[5]s/var/lib/kubelet/pki
cp %[4]s nodes/%[5]s/var/lib/kubelet/pki/kubelet-client-current.pem`, grant, station, c.batch, file, node))
	return file
}

func (c *clerk) issuer(file string) string {
	return shell(c.t, c.dir, "openssl x509 -noout -issuer -in "+file)
}

// letsIn says whether an API server of cp-1 takes a client.
func (c *clerk) letsIn(file string) bool {
	return strings.Contains(shell(c.t, c.dir, "openssl verify -partial_chain -purpose sslclient -CAfile "+
		"nodes/cp-1/etc/kubernetes/pki/client-ca.crt "+file+" 2>&1 || true"), file+": OK")
}
