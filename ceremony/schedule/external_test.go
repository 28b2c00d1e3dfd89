package schedule

import (
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
)

// belowExternal is the bare plan below an external root.
func belowExternal() string {
	return strings.Replace(bare, "    key: {create: ECDSA-P384}\n    evidence: software\n", "    certificate: corp-root.crt\n    external: true\n", 1)
}

// company makes a root, a CA below it, and an intermediate below that one.
func company(t *testing.T, pathLen int) map[string]string {
	t.Helper()
	p := makePast(t, []ca{
		{"root", pathLen, now.AddDate(19, 0, 0), "root", true},
		{"issuing", 1, now.AddDate(18, 0, 0), "root", true},
		{"kubernetes", 0, now.AddDate(9, 0, 0), "issuing", true},
		{"short", 0, now.AddDate(0, 6, 0), "root", true},
	}, genesisOpen, "closed")
	files := map[string]string{}
	for name, c := range p.certs {
		files["corp-"+name+".crt"] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	spki, err := fingerprint.SPKI(p.certs["kubernetes"].PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	files["spki"] = spki.String()
	return files
}

// TestExternalRoot shows the schedule of such a plan, and that the root's key
// is none it needs.
func TestExternalRoot(t *testing.T) {
	c, err := opens(belowExternal(), company(t, -1))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "external.schedule.txt", []byte(written(c)))
	if got, want := strings.Join(c.KeysNeeded(), " "), "kubernetes etcd front-proxy release"; got != want {
		t.Errorf("keys needed: %s, want %s", got, want)
	}
	if !c.External() || len(c.Awaited()) != 3 {
		t.Errorf("external: %t, awaited: %v", c.External(), c.Awaited())
	}
	own, err := opens(bare, nil)
	if err != nil || own.External() || len(own.Awaited()) != 0 {
		t.Errorf("a root of one's own is external: %v", err)
	}
}

// TestExternalRootExists shows an intermediate that a CA below the root signed.
func TestExternalRootExists(t *testing.T) {
	files := company(t, -1)
	text := strings.Replace(belowExternal(), "    key: {create: ECDSA-P256}\n",
		"    key: {existing: "+files["spki"]+"}\n    certificate: corp-kubernetes.crt\n", 1)
	_, err := opens(text, files)
	if got := problems(t, err); !slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, "neither the root nor a CA that came with it") }) {
		t.Errorf("without the CA between them: %v", got)
	}
	c, err := opens(strings.Replace(text, "external: true\n", "external: true\n    issuers: corp-issuing.crt\n", 1), files)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Issuers) != 1 || len(c.Awaited()) != 2 {
		t.Errorf("%d issuers, %d awaited", len(c.Issuers), len(c.Awaited()))
	}
}

func TestExternalRootRefused(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		pathLen        int
		want           string
	}{
		{"a key", "external: true", "external: true\n    key: {existing: " + strings.Repeat("1", 64) + "}", -1,
			"it is external, so this ceremony has no key of it"},
		{"no certificate", "certificate: corp-root.crt\n", "evidence: software\n", -1, "has neither a key nor a certificate"},
		{"not said", "    external: true\n", "", -1, "whose key the plan does not name; say external: true if others sign with it"},
		{"an external intermediate", "name: etcd\n", "name: etcd\n    external: true\n", -1,
			"plan.yaml:16:15: authority etcd: only a root is external"},
		{"issuers of an intermediate", "name: etcd\n", "name: etcd\n    issuers: corp-issuing.crt\n", -1, "authority etcd: issuers stand between"},
		{"least of the root", "external: true\n", "external: true\n    least: 1y\n", -1, "authority root: least is for an authority that an external root certifies"},
		{"least above most", "name: etcd\n", "name: etcd\n    least: 11y\n", -1, "authority etcd: at least 11y, and at most 10y"},
		{"least above the root's life", "name: etcd\n", "name: etcd\n    validity: 30y\n    least: 20y\n", -1, "authority etcd would be valid until"},
		{"a root of one's own beside it", "    external: true\n", "    external: true\n  - {name: own, family: root, use: trust, key: {create: ECDSA-P256}, evidence: software}\n", -1, "one ceremony waits, and another certifies"},
		{"path length", "", "", 0, "path length 0"},
		{"no PEM", "external: true\n", "external: true\n    issuers: spki\n", -1,
			"spki: holds no certificate: neither PEM nor DER is in it"},
		{"in the way", "cluster:\n", "cluster:\n  kubeadm: csrs/kubeadm.yaml\n", -1, "csrs belongs to the ceremony directory itself"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := company(t, c.pathLen)
			files["csrs/kubeadm.yaml"] = kubeadmFile
			_, err := opens(strings.Replace(belowExternal(), c.old, c.new, 1), files)
			if got := problems(t, err); !slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, c.want) }) {
				t.Errorf("got %v\nwant %s", got, c.want)
			}
		})
	}
	own := strings.Replace(bare, "name: etcd\n", "name: etcd\n    least: 2y\n", 1)
	if _, err := opens(own, nil); err == nil || !strings.Contains(err.Error(), "that an external root certifies") {
		t.Errorf("least below a root of one's own: %v", err)
	}
	if _, err := opens(strings.Replace(bare, "cluster:\n", "cluster:\n  kubeadm: csrs/kubeadm.yaml\n", 1), map[string]string{"csrs/kubeadm.yaml": kubeadmFile}); err != nil {
		t.Errorf("a folder csrs where no request goes out: %v", err)
	}
}
