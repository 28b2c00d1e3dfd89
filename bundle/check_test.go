package bundle_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// world is what a case may spoil before the bundle is made.
type world struct {
	*bundletest.PKI
	t     *testing.T
	node  *bundletest.Node
	parts bundle.Parts
}

// fault is one way in which a bundle is wrong though its release signature is good.
type fault struct {
	file    string // of the finding
	problem string // part of its text
	parts   func(w *world)
	files   func(w *world, b *bundle.Bundle)
	options func(o *bundle.CheckOptions)
}

func (f fault) run(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	w := &world{PKI: p, t: t, node: p.NewNode(t, bundletest.First())}
	w.parts = p.Parts(t, w.node)
	sound, err := bundle.Build(p.Header(w.node, 1), w.parts)
	if err != nil {
		t.Fatal(err)
	}
	if f.parts != nil {
		f.parts(w)
	}
	b, err := bundle.Build(p.Header(w.node, 1), w.parts)
	if err != nil {
		t.Fatal(err)
	}
	if f.files != nil {
		f.files(w, b)
	}
	p.Reseal(t, b)
	if err := b.CheckSignature(p.Release.Public()); err != nil {
		t.Fatal(err)
	}
	o := bundle.CheckOptions{Now: bundletest.Now}
	if f.options != nil {
		f.options(&o)
	}
	found := b.Check(o)
	// What was found out about other bundles makes no difference.
	var knows bundle.Checker
	if f := knows.Check(sound, bundle.CheckOptions{Now: bundletest.Now}); len(f) > 0 {
		t.Fatalf("before: %q", f)
	}
	for range 2 {
		if again := knows.Check(b, o); !slices.Equal(again, found) {
			t.Errorf("after other bundles: %q, alone: %q", again, found)
		}
	}
	for _, x := range found {
		if x.File == f.file && strings.Contains(x.Problem, f.problem) {
			return
		}
	}
	t.Errorf("no finding %q about %s; found %q", f.problem, f.file, found)
}

// reissue makes a leaf anew after change; the change may swap issuer and key.
func reissue(name string, change func(w *world, c *x509.Certificate, issuer *bundletest.Authority, pub *crypto.PublicKey)) func(*world) {
	return func(w *world) {
		w.t.Helper()
		for _, l := range w.Leaves(w.t, w.node.Node) {
			if l.Name != name {
				continue
			}
			c, issuer := bundletest.LeafTemplate(l), w.Authorities[l.Authority]
			pub := w.node.Keys[name].Public()
			change(w, c, &issuer, &pub)
			w.parts.Leaves[name] = bundletest.Sign(w.t, c, issuer.Certificate, pub, issuer.Key)
			return
		}
		w.t.Fatalf("no leaf %s", name)
	}
}

// template changes only what is in the certificate.
func template(name string, change func(c *x509.Certificate)) func(*world) {
	return reissue(name, func(_ *world, c *x509.Certificate, _ *bundletest.Authority, _ *crypto.PublicKey) { change(c) })
}

func TestBadLeaves(t *testing.T) {
	const api = "pki/apiserver.crt"
	for name, f := range map[string]fault{
		"expired": {file: api, problem: "expired at", parts: template("apiserver", func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = bundletest.Now.AddDate(-1, 0, 0), bundletest.Now.Add(-time.Second)
		})},
		"not valid yet":   {file: api, problem: "not valid before", parts: template("apiserver", func(c *x509.Certificate) { c.NotBefore = bundletest.Now.Add(time.Hour) })},
		"outlives issuer": {file: api, problem: "after its issuer", parts: template("apiserver", func(c *x509.Certificate) { c.NotAfter = bundletest.Now.AddDate(15, 0, 0) })},
		"giant RSA key": {file: api, problem: "its RSA key has 16384 bits", parts: reissue("apiserver", func(_ *world, _ *x509.Certificate, _ *bundletest.Authority, pub *crypto.PublicKey) {
			*pub = &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 16383, 1), E: 65537}
		})},
		"other CN":          {file: api, problem: "CN is", parts: template("apiserver", func(c *x509.Certificate) { c.Subject.CommonName = "kube" })},
		"system:masters":    {file: api, problem: "O is", parts: template("apiserver", func(c *x509.Certificate) { c.Subject.Organization = []string{"system:masters"} })},
		"OU":                {file: api, problem: "beside CN and O", parts: template("apiserver", func(c *x509.Certificate) { c.Subject.OrganizationalUnit = []string{"x"} })},
		"second CN":         {file: api, problem: "CN is", parts: template("apiserver", twoNames)},
		"DNS name added":    {file: api, problem: "DNS names are", parts: template("apiserver", func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, "evil.test") })},
		"DNS name missing":  {file: api, problem: "DNS names are", parts: template("apiserver", func(c *x509.Certificate) { c.DNSNames = c.DNSNames[1:] })},
		"IP address added":  {file: api, problem: "IP addresses are", parts: template("apiserver", func(c *x509.Certificate) { c.IPAddresses = append(c.IPAddresses, net.IPv4(1, 2, 3, 4)) })},
		"IP missing":        {file: api, problem: "IP addresses are", parts: template("apiserver", func(c *x509.Certificate) { c.IPAddresses = nil })},
		"e-mail address":    {file: api, problem: "neither DNS names nor IP", parts: template("apiserver", func(c *x509.Certificate) { c.EmailAddresses = []string{"a@b.test"} })},
		"client EKU":        {file: api, problem: "extended key usage is clientAuth, must be serverAuth", parts: template("apiserver", eku(x509.ExtKeyUsageClientAuth))},
		"both EKUs":         {file: api, problem: "extended key usage is", parts: template("apiserver", eku(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth))},
		"no EKU":            {file: api, problem: "extended key usage is none", parts: template("apiserver", eku())},
		"any EKU":           {file: api, problem: "extended key usage is", parts: template("apiserver", eku(x509.ExtKeyUsageAny))},
		"server EKU on adm": {file: "admin.conf", problem: "extended key usage is", parts: template("admin.conf", eku(x509.ExtKeyUsageServerAuth))},
		"key usage":         {file: api, problem: "key usage is", parts: template("apiserver", func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign })},
		"CA":                {file: api, problem: "is a CA certificate", parts: template("apiserver", func(c *x509.Certificate) { c.IsCA = true })},
		"serial twice":      {file: "pki/front-proxy-client.crt", problem: "same serial number", parts: sameSerial},
		"serial negative": {file: api, problem: "serial number", parts: func(w *world) {
			template("apiserver", func(c *x509.Certificate) { c.SerialNumber = new(big.Int).Lsh(big.NewInt(1), 159) })(w)
		}},
		"another node's name": {file: "kubelet.conf", problem: "CN is", parts: template("kubelet.conf", func(c *x509.Certificate) { c.Subject.CommonName = "system:node:cp-2" })},
		"unknown critical extension": {file: api, problem: "unknown critical extension", parts: template("apiserver", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		})},
		"a sibling's leaf": {file: "pki/apiserver-etcd-client.crt", problem: "was issued by", parts: reissue("apiserver-etcd-client",
			func(w *world, _ *x509.Certificate, issuer *bundletest.Authority, _ *crypto.PublicKey) {
				*issuer = w.Authorities[kubepki.KubernetesAuthority]
			})},
		"issued by the root": {file: api, problem: "was issued by", parts: reissue("apiserver",
			func(w *world, _ *x509.Certificate, issuer *bundletest.Authority, _ *crypto.PublicKey) {
				*issuer = w.Root
			})},
		"an issuer of the same name": {file: api, problem: "signature is not", parts: reissue("apiserver",
			func(w *world, _ *x509.Certificate, issuer *bundletest.Authority, _ *crypto.PublicKey) {
				key := bundletest.Key(w.t)
				forged := *issuer.Certificate
				forged.PublicKey, forged.SubjectKeyId = key.Public(), nil
				*issuer = bundletest.Authority{Certificate: &forged, Key: key}
			})},
		"Ed25519": {file: api, problem: "Kubernetes takes RSA and ECDSA", parts: reissue("apiserver",
			func(w *world, _ *x509.Certificate, _ *bundletest.Authority, pub *crypto.PublicKey) {
				k, _, err := ed25519.GenerateKey(rand.Reader)
				if err != nil {
					w.t.Fatal(err)
				}
				*pub = k
			})},
		"RSA-1024": {file: api, problem: "RSA of 1024 bits", parts: reissue("apiserver",
			func(w *world, _ *x509.Certificate, _ *bundletest.Authority, pub *crypto.PublicKey) {
				*pub = bundletest.RSAKey(w.t, 1024).Public()
			})},
		"a CA's key": {file: api, problem: "has the key of authority etcd", parts: reissue("apiserver",
			func(w *world, _ *x509.Certificate, _ *bundletest.Authority, pub *crypto.PublicKey) {
				*pub = w.Authorities[kubepki.EtcdAuthority].Key.Public()
			})},
		"another node's key": {file: api, problem: "another key than this node's", options: func(o *bundle.CheckOptions) {
			o.Keys = map[string]crypto.PublicKey{"apiserver": bundletest.Key(t).Public()}
		}},
		"no key": {file: "admin.conf", problem: "has no key admin.conf", options: func(o *bundle.CheckOptions) { o.Keys = map[string]crypto.PublicKey{} }},
		"asked for longer": {file: api, problem: "within 375 days", options: func(o *bundle.CheckOptions) {
			o.ValidFor = 9000 * time.Hour
		}},
	} {
		t.Run(name, f.run)
	}
}

func twoNames(c *x509.Certificate) {
	cn := []int{2, 5, 4, 3}
	c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: cn, Value: "admin"}, {Type: cn, Value: "kube-apiserver"}}
}

func eku(list ...x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtKeyUsage = list }
}

func sameSerial(w *world) {
	other := w.parts.Leaves["apiserver"].SerialNumber
	template("front-proxy-client", func(c *x509.Certificate) { c.SerialNumber = other })(w)
}

// remake makes an authority anew after change; leaves keep their issuer's name and key.
func remake(a kubepki.Authority, change func(w *world, c *x509.Certificate, key *crypto.Signer, parent *bundletest.Authority)) func(*world) {
	return func(w *world) {
		w.t.Helper()
		for _, spec := range kubepki.Authorities(w.Cluster) {
			if spec.Authority != a {
				continue
			}
			c, key, parent := bundletest.AuthorityTemplate(spec, w.Cluster.Name), w.Authorities[a].Key, w.Root
			change(w, c, &key, &parent)
			w.Authorities[a] = bundletest.Authority{Certificate: bundletest.Sign(w.t, c, parent.Certificate, key.Public(), parent.Key), Key: key}
		}
		w.parts = w.Parts(w.t, w.node)
	}
}

func authority(a kubepki.Authority, change func(c *x509.Certificate)) func(*world) {
	return remake(a, func(_ *world, c *x509.Certificate, _ *crypto.Signer, _ *bundletest.Authority) { change(c) })
}

func TestBadAuthorities(t *testing.T) {
	const ca, etcd, proxy = kubepki.KubernetesAuthority, kubepki.EtcdAuthority, kubepki.FrontProxyAuthority
	for name, f := range map[string]fault{
		"unlimited path":        {file: "pki/ca.crt", problem: "path length is unlimited, must be 0", parts: authority(ca, func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = -1, false })},
		"path length 1":         {file: "pki/ca.crt", problem: "path length is 1", parts: authority(ca, func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 1, false })},
		"no CA":                 {file: "pki/etcd/ca.crt", problem: "is not a CA", parts: authority(etcd, func(c *x509.Certificate) { c.IsCA, c.MaxPathLen, c.MaxPathLenZero = false, 0, false })},
		"no EKU":                {file: "pki/ca.crt", problem: "extended key usage is none", parts: authority(ca, func(c *x509.Certificate) { c.ExtKeyUsage = nil })},
		"front-proxy as server": {file: "pki/front-proxy-ca.crt", problem: "extended key usage is", parts: authority(proxy, eku(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth))},
		"no certSign":           {file: "pki/ca.crt", problem: "key usage is", parts: authority(ca, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })},
		"expired": {file: "pki/ca.crt", problem: "expired at", parts: authority(ca, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = bundletest.Now.AddDate(-2, 0, 0), bundletest.Now.AddDate(-1, 0, 0)
		})},
		"outlives the root": {file: "pki/ca.crt", problem: "after its issuer", parts: authority(ca, func(c *x509.Certificate) { c.NotAfter = bundletest.Now.AddDate(40, 0, 0) })},
		"self-signed": {file: "pki/ca.crt", problem: "self-signed", parts: remake(ca, func(w *world, c *x509.Certificate, key *crypto.Signer, parent *bundletest.Authority) {
			*parent = bundletest.Authority{Certificate: c, Key: *key}
		})},
		"another root": {file: "pki/etcd/ca.crt", problem: "signature is not authority root's", parts: remake(etcd, func(w *world, _ *x509.Certificate, _ *crypto.Signer, parent *bundletest.Authority) {
			*parent = bundletest.New(w.t, w.Cluster).Root
			parent.Certificate.SubjectKeyId = w.Root.Certificate.SubjectKeyId
		})},
		"one key for two": {file: "pki/etcd/ca.crt", problem: "authorities etcd and kubernetes have the same key", parts: remake(etcd, func(w *world, _ *x509.Certificate, key *crypto.Signer, _ *bundletest.Authority) {
			*key = w.Authorities[ca].Key
		})},
		"the root's key": {file: "pki/front-proxy-ca.crt", problem: "leaves of every authority", parts: remake(proxy, func(w *world, _ *x509.Certificate, key *crypto.Signer, _ *bundletest.Authority) {
			*key = w.Root.Key
		})},
		"sa.pub P-384": {file: "pki/sa.pub", problem: "must be ECDSA P-256 or RSA", parts: func(w *world) {
			k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
			if err != nil {
				w.t.Fatal(err)
			}
			w.parts.ServiceAccountPublic = bundletest.PublicPEM(w.t, k.Public())
		}},
		"sa.pub is a CA's key": {file: "pki/sa.pub", problem: "is the key of authority kubernetes", parts: func(w *world) {
			w.parts.ServiceAccountPublic = bundletest.PublicPEM(w.t, w.Authorities[ca].Key.Public())
		}},
		"other root pinned": {file: bundle.RootFile, problem: "is not the pinned root", options: func(o *bundle.CheckOptions) {
			f := fingerprint.Of([]byte("another"))
			o.Root = &f
		}},
		"root not self-signed": {file: bundle.RootFile, problem: "is not self-signed", files: func(w *world, b *bundle.Bundle) {
			b.Files[bundle.RootFile] = b.Files["pki/ca.crt"]
		}},
		"root changed": {file: "pki/server-ca.crt", problem: "is not the root of this bundle", files: func(w *world, b *bundle.Bundle) {
			b.Files[bundle.RootFile] = bundletest.Certificates(bundletest.New(w.t, w.Cluster).Root.Certificate.Raw)
		}},
	} {
		t.Run(name, f.run)
	}
}

// put replaces a file with certificates.
func put(path string, ders func(w *world) [][]byte) func(*world, *bundle.Bundle) {
	return func(w *world, b *bundle.Bundle) { b.Files[path] = bundletest.Certificates(ders(w)...) }
}

func text(path, old, new string) func(*world, *bundle.Bundle) {
	return func(w *world, b *bundle.Bundle) {
		w.t.Helper()
		changed := bytes.ReplaceAll(b.Files[path], []byte(old), []byte(new))
		if bytes.Equal(changed, b.Files[path]) {
			w.t.Fatalf("%s has no %q", path, old)
		}
		b.Files[path] = changed
	}
}

func appended(path string, data func(w *world) []byte) func(*world, *bundle.Bundle) {
	return func(w *world, b *bundle.Bundle) { b.Files[path] = append(slices.Clone(b.Files[path]), data(w)...) }
}

func TestBadFiles(t *testing.T) {
	kube := func(w *world) []byte { return w.Authorities[kubepki.KubernetesAuthority].Certificate.Raw }
	etcd := func(w *world) []byte { return w.Authorities[kubepki.EtcdAuthority].Certificate.Raw }
	root := func(w *world) []byte { return w.Root.Certificate.Raw }
	leaf := func(w *world) []byte { return w.parts.Leaves["apiserver"].Raw }
	key := func(w *world) []byte { return bundletest.PrivatePEM(w.t, bundletest.Key(w.t)) }
	encoded := func(w *world) []byte { return []byte("note: " + base64.StdEncoding.EncodeToString(key(w)) + "\n") }
	der := func(w *world) []byte {
		block, _ := pem.Decode(key(w))
		return block.Bytes
	}
	swap := func(a, b string) func(*world, *bundle.Bundle) {
		return func(_ *world, x *bundle.Bundle) { x.Files[a], x.Files[b] = x.Files[b], x.Files[a] }
	}
	for name, f := range map[string]fault{
		"root in ca.crt":       {file: "pki/ca.crt", problem: "leaves of every authority", files: put("pki/ca.crt", func(w *world) [][]byte { return [][]byte{root(w)} })},
		"int+root in ca.crt":   {file: "pki/ca.crt", problem: "holds 2 certificates", files: put("pki/ca.crt", func(w *world) [][]byte { return [][]byte{kube(w), root(w)} })},
		"int+root in etcd":     {file: "pki/etcd/ca.crt", problem: "leaves of every authority", files: put("pki/etcd/ca.crt", func(w *world) [][]byte { return [][]byte{etcd(w), root(w)} })},
		"sibling in front":     {file: "pki/front-proxy-ca.crt", problem: "", files: put("pki/front-proxy-ca.crt", func(w *world) [][]byte { return [][]byte{kube(w)} })},
		"two families":         {file: "pki/ca.crt", problem: "holds 2 certificates", files: put("pki/ca.crt", func(w *world) [][]byte { return [][]byte{kube(w), etcd(w)} })},
		"leaf as trust":        {file: "pki/ca.crt", problem: "is not a CA", files: put("pki/ca.crt", func(w *world) [][]byte { return [][]byte{leaf(w)} })},
		"swapped authorities":  {file: "pki/apiserver.crt", problem: "", files: swap("pki/ca.crt", "pki/etcd/ca.crt")},
		"leaf alone":           {file: "pki/apiserver.crt", problem: "holds 1 certificates", files: put("pki/apiserver.crt", func(w *world) [][]byte { return [][]byte{leaf(w)} })},
		"leaf+int+root":        {file: "pki/apiserver.crt", problem: "holds 3 certificates", files: put("pki/apiserver.crt", func(w *world) [][]byte { return [][]byte{leaf(w), kube(w), root(w)} })},
		"other intermediate":   {file: "pki/apiserver.crt", problem: "another kubernetes authority", files: put("pki/apiserver.crt", func(w *world) [][]byte { return [][]byte{leaf(w), etcd(w)} })},
		"intermediate first":   {file: "pki/apiserver.crt", problem: "is a CA certificate", files: put("pki/apiserver.crt", func(w *world) [][]byte { return [][]byte{kube(w), leaf(w)} })},
		"server-ca without":    {file: "pki/server-ca.crt", problem: "holds 1 certificates", files: put("pki/server-ca.crt", func(w *world) [][]byte { return [][]byte{kube(w)} })},
		"server-ca turned":     {file: "pki/server-ca.crt", problem: "", files: put("pki/server-ca.crt", func(w *world) [][]byte { return [][]byte{root(w), kube(w)} })},
		"text in a trust file": {file: "pki/ca.crt", problem: "something else", files: appended("pki/ca.crt", func(*world) []byte { return []byte("# note\n") })},
		"carriage returns":     {file: "pki/ca.crt", problem: "something else", files: text("pki/ca.crt", "\n", "\r\n")},
		"empty trust file":     {file: "pki/ca.crt", problem: "no certificate", files: put("pki/ca.crt", func(*world) [][]byte { return nil })},
		"damaged certificate":  {file: "pki/ca.crt", problem: "certificate 1", files: put("pki/ca.crt", func(w *world) [][]byte { return [][]byte{kube(w)[:100]} })},
		"swapped leaves":       {file: "pki/etcd/server.crt", problem: "", files: swap("pki/etcd/server.crt", "pki/apiserver.crt")},
		"swapped kubeconfigs":  {file: "admin.conf", problem: "user is", files: swap("admin.conf", "scheduler.conf")},
		"file missing":         {file: "pki/ca.crt", problem: "missing", files: func(_ *world, b *bundle.Bundle) { delete(b.Files, "pki/ca.crt") }},
		"root missing":         {file: bundle.RootFile, problem: "missing", files: func(_ *world, b *bundle.Bundle) { delete(b.Files, bundle.RootFile) }},
		"VERIFY.txt missing":   {file: bundle.VerifyFile, problem: "missing", files: func(_ *world, b *bundle.Bundle) { delete(b.Files, bundle.VerifyFile) }},
		"README.txt missing":   {file: bundle.ReadmeFile, problem: "missing", files: func(_ *world, b *bundle.Bundle) { delete(b.Files, bundle.ReadmeFile) }},
		"bindings missing":     {file: bundle.BindingsFile, problem: "missing", files: func(_ *world, b *bundle.Bundle) { delete(b.Files, bundle.BindingsFile) }},
		"binding for others":   {file: bundle.BindingsFile, problem: "not what follows from", files: text(bundle.BindingsFile, "name: kube-apiserver-kubelet-client", "name: mallory")},
		"a binding more":       {file: bundle.BindingsFile, problem: "not what follows from", files: appended(bundle.BindingsFile, func(*world) []byte { return []byte("---\nkind: ClusterRoleBinding\n") })},
		"other trust for pods": {file: bundle.KubeadmFile, problem: "not what follows from", files: text(bundle.KubeadmFile, "server-ca.crt", "ca.crt")},
		"texts in format 1":    {file: bundle.ReadmeFile, problem: "does not belong", files: func(_ *world, b *bundle.Bundle) { b.Format = 1 }},
		"file too many":        {file: "manifests/x.yaml", problem: "does not belong", files: func(_ *world, b *bundle.Bundle) { b.Files["manifests/x.yaml"] = nil }},
		"sa.key in clear":      {file: "pki/sa.key", problem: "private key", files: func(w *world, b *bundle.Bundle) { b.Files["pki/sa.key"] = key(w) }},
		"sa.key.age in clear":  {file: "pki/sa.key.age", problem: "private key", files: func(w *world, b *bundle.Bundle) { b.Files["pki/sa.key.age"] = key(w) }},
		"sa.key.age not age":   {file: "pki/sa.key.age", problem: "not one ASCII-armored", files: text("pki/sa.key.age", "BEGIN AGE", "BEGIN AGO")},
		"sa.pub mislabelled":   {file: "pki/sa.pub", problem: "no PEM block", files: text("pki/sa.pub", "PUBLIC KEY", "PUBLIC KEX")},
		"sa.pub twice":         {file: "pki/sa.pub", problem: "one key twice", files: appended("pki/sa.pub", func(w *world) []byte { return bundletest.PublicPEM(w.t, w.Account.Public()) })},
		"sa.pub and text":      {file: "pki/sa.pub", problem: "no PEM block", files: appended("pki/sa.pub", func(*world) []byte { return []byte("and more\n") })},
		"sa.pub with a CA's key": {file: "pki/sa.pub", problem: "is the key of authority etcd", files: appended("pki/sa.pub", func(w *world) []byte {
			return bundletest.PublicPEM(w.t, w.Authorities[kubepki.EtcdAuthority].Certificate.PublicKey)
		})},
		"next release key of text": {file: bundle.NextReleaseFile, problem: "no PEM block", files: appended(bundle.NextReleaseFile, func(*world) []byte { return []byte("a key\n") })},
		"next release key of a CA": {file: bundle.NextReleaseFile, problem: "is the key of authority kubernetes", files: func(w *world, b *bundle.Bundle) {
			b.Files[bundle.NextReleaseFile] = bundletest.PublicPEM(w.t, w.Authorities[kubepki.KubernetesAuthority].Certificate.PublicKey)
		}},
		"next release key in sa.pub": {file: bundle.NextReleaseFile, problem: "is a key of pki/sa.pub", files: func(w *world, b *bundle.Bundle) {
			b.Files[bundle.NextReleaseFile] = bundletest.PublicPEM(w.t, w.Account.Public())
		}},
		"key in VERIFY.txt":     {file: bundle.VerifyFile, problem: "private key", files: appended(bundle.VerifyFile, key)},
		"key in base64":         {file: bundle.VerifyFile, problem: "private key", files: appended(bundle.VerifyFile, encoded)},
		"key as certificate":    {file: "pki/ca.crt", problem: "private key", files: put("pki/ca.crt", func(w *world) [][]byte { return [][]byte{der(w)} })},
		"key in DER":            {file: bundle.VerifyFile, problem: "private key", files: func(w *world, b *bundle.Bundle) { b.Files[bundle.VerifyFile] = der(w) }},
		"age identity":          {file: bundle.VerifyFile, problem: "private key", files: appended(bundle.VerifyFile, func(w *world) []byte { return []byte(strings.ToLower(w.node.Identity)) })},
		"key in a kubeconfig":   {file: "admin.conf", problem: "private key", files: keyed},
		"no kubeconfig":         {file: "admin.conf", problem: "is not v1, Config", files: text("admin.conf", "kind: Config", "kind: Confid")},
		"kubeconfig no YAML":    {file: "admin.conf", problem: "line 1", files: func(_ *world, b *bundle.Bundle) { b.Files["admin.conf"] = []byte("a: [") }},
		"other API server":      {file: "admin.conf", problem: "server is", files: text("admin.conf", "https://api.demo.test:6443", "https://evil.test:6443")},
		"root as kubeconfig CA": {file: "admin.conf", problem: "certificate-authority-data", files: configCA(root)},
		"etcd as kubeconfig CA": {file: "admin.conf", problem: "another kubernetes authority", files: configCA(etcd)},
		"int+root as its CA":    {file: "admin.conf", problem: "holds 2 certificates", files: configCA(kube, root)},
		"unknown fact":          {file: bundle.FactsFile, problem: "unknown field", files: text(bundle.FactsFile, `"kind"`, `"kinds"`)},
		"facts of another kind": {file: bundle.FactsFile, problem: "is not officiant/v1", files: text(bundle.FactsFile, "NodeFacts", "NodeFact")},
		"text after the facts":  {file: bundle.FactsFile, problem: "text after", files: appended(bundle.FactsFile, func(*world) []byte { return []byte("{}") })},
		"facts of another node": {file: bundle.FactsFile, problem: "the header says cp-1", files: text(bundle.FactsFile, `"cp-1"`, `"cp-2"`)},
		"other cluster's facts": {file: bundle.FactsFile, problem: "the header says demo", files: text(bundle.FactsFile, `"name": "demo"`, `"name": "prod"`)},
		"unknown role":          {file: bundle.FactsFile, problem: "roles", files: text(bundle.FactsFile, `"etcd"`, `"king"`)},
		"other version":         {file: "pki/apiserver-kubelet-client.crt", problem: "O is", files: text(bundle.FactsFile, "v1.37.2", "v1.28.0")},
		"rehearsal":             {file: bundle.SumsFile, problem: "not for use", files: func(_ *world, b *bundle.Bundle) { b.Rehearsal = true }},
		"no rehearsal": {file: bundle.SumsFile, problem: "does not say that it was made in a rehearsal", files: func(*world, *bundle.Bundle) {},
			options: func(o *bundle.CheckOptions) { o.Rehearsal = true }},
		"not-after too late": {file: bundle.SumsFile, problem: "but a certificate expires", files: func(_ *world, b *bundle.Bundle) { b.NotAfter = b.NotAfter.Add(time.Second) }},
		"bundle expires soon": {file: bundle.SumsFile, problem: "the bundle expires at 2026-12-03T12:00:00Z, within 30 days", files: func(_ *world, b *bundle.Bundle) { b.NotAfter = bundletest.Now.AddDate(0, 0, 10) },
			options: func(o *bundle.CheckOptions) { o.ValidFor = 30 * 24 * time.Hour }},
		"bundle expired": {file: bundle.SumsFile, problem: "the bundle expired", files: func(_ *world, b *bundle.Bundle) { b.NotAfter = bundletest.Now.Add(-time.Second) }},
	} {
		t.Run(name, f.run)
	}
}

// keyed puts a private key into a kubeconfig as kubeadm would.
func keyed(w *world, b *bundle.Bundle) {
	key := base64.StdEncoding.EncodeToString(bundletest.PrivatePEM(w.t, w.node.Keys["admin.conf"]))
	text("admin.conf", "    client-certificate-data:", "    client-key-data: "+key+"\n    client-certificate-data:")(w, b)
}

func configCA(ders ...func(*world) []byte) func(*world, *bundle.Bundle) {
	return func(w *world, b *bundle.Bundle) {
		var list [][]byte
		for _, d := range ders {
			list = append(list, d(w))
		}
		old := base64.StdEncoding.EncodeToString(b.Files["pki/ca.crt"])
		text("admin.conf", "certificate-authority-data: "+old, "certificate-authority-data: "+base64.StdEncoding.EncodeToString(bundletest.Certificates(list...)))(w, b)
	}
}

// A bundle that was changed in memory says so, even before its signature is looked at.
func TestChangedAfterwards(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	b := bundletest.Clone(p.Bundle(t, p.NewNode(t, bundletest.Worker()), 1))
	b.Files[bundle.VerifyFile] = []byte("something else")
	found := b.Check(bundle.CheckOptions{Now: bundletest.Now})
	if len(found) != 1 || found[0].File != bundle.SumsFile {
		t.Errorf("found %v", found)
	}
}

func TestReleaseKeys(t *testing.T) {
	p256, rsa2048 := bundletest.Key(t), bundletest.RSAKey(t, 2048)
	for name, key := range map[string]crypto.Signer{"P-256": p256, "RSA-2048": rsa2048} {
		if _, err := bundle.ParseReleaseKey("release.pub", bundletest.PublicPEM(t, key.Public())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := bundletest.PublicPEM(t, p256.Public())
	edPub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"empty": nil, "text": []byte("release"), "private key": bundletest.PrivatePEM(t, p256),
		"two keys": append(slices.Clone(good), good...), "text before": append([]byte("x\n"), good...),
		"RSA-1024": bundletest.PublicPEM(t, bundletest.RSAKey(t, 1024).Public()), "Ed25519": bundletest.PublicPEM(t, edPub),
		"certificate": bundletest.Certificates(bundletest.New(t, bundletest.Cluster()).Root.Certificate.Raw),
		"cut":         good[:len(good)/2],
	} {
		if _, err := bundle.ParseReleaseKey("release.pub", bad); err == nil || !strings.Contains(err.Error(), "release.pub") {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := bundletest.New(t, bundletest.Cluster())
	b := p.Bundle(t, p.NewNode(t, bundletest.Worker()), 1)
	for name, key := range map[string]crypto.PublicKey{"another P-256": p256.Public(), "RSA": rsa2048.Public(), "Ed25519": edPub} {
		if err := b.CheckSignature(key); err == nil {
			t.Errorf("%s accepts the signature", name)
		}
	}
}
