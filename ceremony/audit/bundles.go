package audit

import (
	"bytes"
	"crypto/x509"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/phrase"
)

// bundleAudit proves what a ceremony gives out: authorities' certificates and bundles.
type bundleAudit struct {
	*view
	lists   *listAudit // for the list that etcd nodes get
	checker bundle.Checker
	open    []string            // folders of bundles that cannot be opened: what is in them is named already
	leaks   map[string][]string // files in which there are private keys, and what is said of each
}

// authorityFiles holds authorities/*.crt against the record.
func (a *bundleAudit) authorityFiles(c *Check) {
	n := 0
	for _, p := range a.plan.Plan.Authorities {
		cert := a.authority(p.Name)
		if cert == nil {
			continue
		}
		n++
		name := a.marked(a.plan.Plan.AuthorityFile(p))
		a.expect(name)
		if err := a.same(name, certificatePEM(cert.Raw)); err != nil {
			c.problem("%v", err)
		}
	}
	a.externalFiles(c)
	a.grant(c)
	c.Detail = phrase.Count(n, "certificate")
}

// bundles looks at every node's bundle, as a folder and as a tar.
func (a *bundleAudit) bundles(c *Check) {
	problems, looked := make([][]string, len(a.plan.Nodes)), make([]*nodeBundle, len(a.plan.Nodes))
	a.leaks = map[string][]string{}
	var settled atomic.Int64
	a.parallel(len(problems), func(i int) {
		l := a.nodeBundle(a.plan.Nodes[i])
		problems[i] = l.problems.Problems
		settled.Add(int64(l.settled))
		if l.settled == 0 {
			looked[i] = l
		}
	})
	for i, l := range looked {
		c.Problems = append(c.Problems, problems[i]...)
		base := a.base(a.plan.Nodes[i])
		if l == nil {
			a.tree.settle(base)
			continue
		}
		if l.listing != nil {
			a.tree.insert(base, l.listing)
		}
		a.expect(l.files...)
		a.searched(l)
		if l.open != "" {
			a.open = append(a.open, l.open)
		}
	}
	a.tree.settled += int(settled.Load())
	a.report.Bundles = len(problems)
	c.Detail = phrase.Count(len(problems), "bundle") + ", each as folder and tar"
}

func (a *bundleAudit) base(n kubepki.Node) string { return bundlesFolder + "/" + a.marked(n.Name) }

// searched notes which files were looked through for private keys, and what was found.
func (a *bundleAudit) searched(l *nodeBundle) {
	for name, said := range l.scanned {
		if f := a.tree.find(name); f != nil {
			f.searched = true
		}
		if len(said) > 0 {
			a.leaks[name] = said
		}
	}
}

func (a *bundleAudit) nodeBundle(n kubepki.Node) *nodeBundle {
	base := a.base(n)
	l := &nodeBundle{listing: a.tree.list(base), files: []string{base + ".tar"}, scanned: map[string][]string{}}
	folder := a.openBundle(&l.problems, base)
	if folder == nil {
		l.open = base
	} else {
		l.files = append(l.files, base+"/"+bundle.SumsFile, base+"/"+bundle.SignatureFile)
		for path := range folder.Files {
			l.files = append(l.files, base+"/"+path)
		}
		a.bundle(l, base, n, folder)
		if a.sameTar(folder, base+".tar") {
			var inside []string
			for _, file := range sortedKeys(l.scanned) {
				for _, said := range l.scanned[file] {
					inside = append(inside, base+".tar: "+n.Name+strings.TrimPrefix(said, base))
				}
			}
			l.scanned[base+".tar"] = inside
			l.settled = l.settle(base)
			return l
		}
	}
	tar := a.openBundle(&l.problems, base+".tar")
	switch {
	case tar == nil:
	case folder == nil:
		for _, path := range sortedKeys(tar.Files) {
			if !l.has(a.tree, base+"/"+path) {
				l.problems.problem("%s: %s: missing, but in the tar", base, path)
			}
		}
		a.bundle(l, base+".tar", n, tar)
	case !sameBundle(folder, tar):
		l.problems.problem("%s.tar: is not the same as %s/", base, base)
		a.bundle(l, base+".tar", n, tar)
	}
	return l
}

// sameTar says whether a file is the one archive that there is of a bundle.
func (a *bundleAudit) sameTar(b *bundle.Bundle, name string) bool {
	room := archives.Get().(*[]byte)
	defer archives.Put(room)
	want, err := b.AppendTar((*room)[:0])
	*room = want
	if err != nil || a.tree.size(name) != int64(len(want)) {
		return false
	}
	same, err := a.tree.holds(name, want)
	return err == nil && same
}

// archives are room for those that files are compared with.
var archives = sync.Pool{New: func() any { return new([]byte) }}

// openBundle opens what lies at a path of the directory and names what is
// wrong with it.
func (a *bundleAudit) openBundle(c *Check, name string) *bundle.Bundle {
	if !a.tree.has(name) && !a.tree.dirs[name] {
		c.problem("%s: missing", name)
		return nil
	}
	b, err := bundle.Open(a.tree.path(name))
	for _, err := range list(err) {
		var refusal *bundle.Refusal
		switch {
		case !errors.As(err, &refusal):
			c.problem("%s: %v", name, err)
		case refusal.File == "":
			c.problem("%s: %s", name, refusal.Reason)
		default:
			c.problem("%s: %s: %s", name, refusal.File, refusal.Reason)
		}
	}
	if err != nil {
		return nil
	}
	return b
}

// list takes joined errors apart.
func list(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

func sameBundle(x, y *bundle.Bundle) bool {
	return bytes.Equal(x.Sums, y.Sums) && bytes.Equal(x.Signature, y.Signature) &&
		maps.EqualFunc(x.Files, y.Files, bytes.Equal)
}

// bundle holds one bundle against record, plan and Kubernetes' facts.
func (a *bundleAudit) bundle(l *nodeBundle, name string, n kubepki.Node, b *bundle.Bundle) {
	bad := func(format string, args ...any) { l.problems.problem(name+": "+format, args...) }
	a.signed(bad, n, b)
	a.header(bad, n, b)
	check := bundle.CheckOptions{Now: a.issuedAt(), Rehearsal: a.t.Open().Rehearsal}
	if root := a.authorities()[kubepki.Root]; root != nil {
		f := fingerprint.Of(root.Raw)
		check.Root = &f
	}
	for _, f := range a.checker.Check(b, check) {
		bad("%s", f)
	}
	leaves := a.leaves(n.Name)
	a.rebuilt(bad, n, b, leaves)
	a.clientTrust(bad, n, b)
	a.inside(l, name, n, b, leaves)
	if len(l.problems.Problems) == 0 {
		a.verified(n.Name)
	}
}

// verified notes the leaves of a bundle in which nothing is wrong: it is what plan and record
// make it, and each leaf in it verifies by the authority that it is to be by.
func (a *bundleAudit) verified(node string) {
	issuing := a.authorities()
	for e := range a.leavesOf(node) {
		by, of := issuing[e.Leaf.Authority], a.authority(e.Signer)
		if made := a.ledger.issued[e.Name]; made != nil && by != nil && by.Equal(of) {
			made.verified = true
		}
	}
}

// signed holds the sums and their signature against the record. What is on record
// byte for byte was verified there.
func (a *bundleAudit) signed(bad func(string, ...any), n kubepki.Node, b *bundle.Bundle) {
	s := a.ledger.signed["bundle "+n.Name]
	switch {
	case s == nil:
		bad("no signature of it is on record")
	case fingerprint.Of(b.Sums) != s.sum:
		bad("%s is not the one that was signed", bundle.SumsFile)
	case !bytes.Equal(b.Signature, s.signature):
		bad("%s is not the signature on record", bundle.SignatureFile)
	case s.verified:
		return
	}
	if key := a.ledger.release(); key != nil {
		pub, err := x509.ParsePKIXPublicKey(key.PublicKey)
		if err == nil {
			err = b.CheckSignature(pub)
		}
		if err != nil {
			bad("%v", err)
		}
	}
}

func (a *bundleAudit) header(bad func(string, ...any), n kubepki.Node, b *bundle.Bundle) {
	open := a.t.Open()
	want := bundle.Header{
		Format: b.Format, Cluster: open.Cluster, Node: n.Name, Ceremony: open.Digest, Sequence: open.Sequence,
		NotAfter: b.NotAfter, Rehearsal: open.Rehearsal,
	}
	if closing := a.ledger.closing(); closing != nil {
		want.Transcript = closing.Hash
	}
	if b.Header != want {
		bad("its header says %+v, plan and record say %+v", b.Header, want)
	}
	var asked fingerprint.SHA256
	if r := a.plan.Requests[n.Name]; r != nil {
		asked = r.Fingerprint
	}
	if facts, err := b.Facts(); err == nil && facts.Request != asked {
		bad("%s: names request %s, the plan's is %s", bundle.FactsFile, facts.Request, asked)
	}
}

// issuedAt is when issuing was closed: bundles are judged as of then.
func (a *view) issuedAt() time.Time {
	if closing := a.ledger.closing(); closing != nil {
		return closing.Time
	}
	return a.t.Last.Time
}

// rebuilt builds the bundle again: it is a function of plan and record.
func (a *bundleAudit) rebuilt(
	bad func(string, ...any), n kubepki.Node, b *bundle.Bundle, leaves map[string]*x509.Certificate,
) {
	parts := bundle.Parts{Cluster: a.plan.Cluster, Node: n, Authorities: a.authorities(), Trusted: a.trusted(),
		Adopted: a.adopted(), Leaves: leaves}
	parts.Root = parts.Authorities[kubepki.Root]
	parts.External, parts.Issuers = a.plan.External(), a.issuers()
	parts.KeysSealed = a.keysSealed(n.Name)
	parts.NextRelease = a.successorPEM()
	if r := a.plan.Requests[n.Name]; r != nil {
		parts.Request = r.Fingerprint
	}
	if n.Has(kubepki.Etcd) {
		parts.RevocationList = a.lists.etcdList()
	}
	if n.Has(kubepki.ControlPlane) {
		parts.ServiceAccountSealed, parts.ServiceAccountPublic = a.serviceAccount(n.Name)
	}
	h := b.Header
	h.NotAfter = time.Time{}
	again, err := bundle.Build(h, parts)
	if err != nil {
		bad("cannot be built again from plan and record: %v", err)
		return
	}
	if !again.NotAfter.Equal(b.NotAfter) {
		bad("its header says not-after %s, the first certificate in it ends at %s", stamp(b.NotAfter), stamp(again.NotAfter))
	}
	for _, path := range sortedKeys(b.Files) {
		want, ok := again.Files[path]
		switch {
		case !ok:
			bad("%s: not there when built again from plan and record", path)
		case !bytes.Equal(b.Files[path], want) && path != bundle.VerifyFile && path != bundle.ReadmeFile:
			bad("%s: differs from what plan and record make it", path)
		case !bytes.Equal(b.Files[path], want):
			bad("%s: its text differs from what format %d of a bundle has", path, b.Format)
		}
	}
	for _, path := range sortedKeys(again.Files) {
		if _, ok := b.Files[path]; !ok {
			bad("%s: missing, plan and record make it", path)
		}
	}
}

// leaves are a node's issued certificates by the name of their file.
func (a *view) leaves(node string) map[string]*x509.Certificate {
	out := map[string]*x509.Certificate{}
	for e := range a.leavesOf(node) {
		if made := a.ledger.issued[e.Name]; made != nil {
			out[e.Leaf.Name] = made.certificate()
		}
	}
	maps.Copy(out, a.kept[node])
	return out
}

// inside finds every certificate anywhere in a bundle, however it is wrapped,
// and wants each to be this node's or an authority's; and each of this node's
// in its own file. It shares nothing with what built the bundle. On the way it looks
// for private keys, so that each file is taken apart once.
func (a *bundleAudit) inside(
	l *nodeBundle, name string, n kubepki.Node, b *bundle.Bundle, own map[string]*x509.Certificate,
) {
	bad := func(format string, args ...any) { l.problems.problem(name+": "+format, args...) }
	allowed := map[string]bool{}
	for _, p := range a.plan.Plan.Authorities {
		if cert := a.authority(p.Name); cert != nil {
			allowed[string(cert.Raw)] = true
		}
	}
	for _, cert := range a.issuers() { // CAs above the authorities
		allowed[string(cert.Raw)] = true
	}
	for _, cert := range own {
		allowed[string(cert.Raw)] = true
	}
	leaks := &leakAudit{view: a.view}
	found := map[string][]string{} // certificates by file
	scan := func(path string, data []byte, certificates bool) {
		var keys []string
		whole := layers(data, func(layer []byte) {
			keys = leaks.inLayer(keys, layer)
			if !certificates || len(layer) == 0 || layer[0] != 0x30 { // a SEQUENCE
				return
			}
			if !allowed[string(layer)] {
				cert, err := x509.ParseCertificate(layer)
				if err != nil {
					return
				}
				bad("%s: holds a certificate of %q that was not issued for this node", path, cert.Subject)
			}
			found[path] = append(found[path], string(layer))
		})
		if !whole {
			keys = append(keys, beyond)
		}
		file := name + "/" + path
		l.scanned[file] = nil
		for _, key := range keys {
			l.scanned[file] = append(l.scanned[file], file+": holds "+key)
		}
	}
	scan(bundle.SumsFile, b.Sums, false)
	scan(bundle.SignatureFile, b.Signature, false)
	for _, path := range sortedKeys(b.Files) {
		scan(path, b.Files[path], true)
	}
	needed, _ := kubepki.Leaves(a.plan.Cluster, n) // what is wrong with it, the rebuilding told
	for _, leaf := range needed {
		if cert := own[leaf.Name]; cert != nil && !slices.Contains(found[leaf.File], string(cert.Raw)) {
			bad("%s: does not hold the certificate issued as %s/%s", leaf.File, n.Name, leaf.Name)
		}
	}
}
