package bundle

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// Finding is one thing that is not as it must be.
type Finding struct {
	File    string `json:"file"`
	Problem string `json:"problem"`
}

func (f Finding) String() string {
	if f.File == "" {
		return f.Problem
	}
	return f.File + ": " + f.Problem
}

// CheckOptions says what a bundle is checked against.
type CheckOptions struct {
	Now      time.Time                   // zero: validity periods are not judged
	Root     *fingerprint.SHA256         // SHA-256 of a DER root certificate that must be there; nil when not pinned
	ValidFor time.Duration               // everything must be valid this much longer
	Keys     map[string]crypto.PublicKey // the node's own keys, by Leaf.Name; nil in the room
	// Rehearsal says that it has to be one made in a rehearsal, as who makes it knows.
	Rehearsal bool
}

// Checker checks bundles. It keeps what a ceremony's thousand bundles have in
// common: whether one authority signed another's certificate, which certificates are in
// a file of authorities, and whether a file of some content holds a private key. Its
// zero value is ready, and safe for concurrent use.
type Checker struct {
	signed sync.Map // pair to signedOrNot
	trust  memo[certificateList]
	secret memo[bool]
}

// Check holds the bundle against what kubepki expects of its node: which files
// there are, and in each certificate names, usages, issuer and dates. It shares
// nothing with Build. Findings come sorted by file; none means that all is well.
// Who made the bundle, CheckSignature says.
func (b *Bundle) Check(o CheckOptions) []Finding { return new(Checker).Check(b, o) }

// Check is Bundle.Check, for one of many bundles.
func (k *Checker) Check(b *Bundle, o CheckOptions) []Finding {
	c := &checker{Checker: k, findings: &findings{}, b: b, o: o}
	c.header()
	c.privateKeys()
	if facts, err := b.Facts(); err != nil {
		c.add(FactsFile, "%s", about(FactsFile, err))
	} else {
		c.node(facts)
	}
	slices.SortStableFunc(c.list, func(x, y Finding) int {
		return cmp.Or(strings.Compare(x.File, y.File), strings.Compare(x.Problem, y.Problem))
	})
	return slices.Compact(c.list)
}

// findings are what is said of one bundle, by whoever looks at a part of it.
type findings struct{ list []Finding }

func (c *findings) add(file, format string, args ...any) {
	c.list = append(c.list, Finding{file, fmt.Sprintf(format, args...)})
}

// checker looks at one bundle as a whole: its header, which files it has, and those
// that are no certificates. What certificates have to be, its parts know.
type checker struct {
	*Checker
	*findings
	b *Bundle
	o CheckOptions

	// Of which node this is has to be known for these.
	leaves    map[string]kubepki.Leaf
	authority *authorityCheck
	trust     *trustCheck
	leaf      *leafCheck
}

// about is an error's text without the name of the file it is about, which its
// finding has beside it.
func about(file string, err error) string {
	text := strings.TrimPrefix(err.Error(), file)
	if place, ok := strings.CutPrefix(text, ":"); ok && !strings.HasPrefix(place, " ") {
		return "line " + place
	}
	return strings.TrimPrefix(text, ": ")
}

// header checks what SHA256SUMS says of itself.
func (c *checker) header() {
	h, list, err := parseSums(c.b.Sums)
	if err != nil {
		c.add(SumsFile, "%v", err)
		return
	}
	if h != c.b.Header || !slices.Equal(list, listFiles(c.b.Files)) {
		c.add(SumsFile, "does not say what the bundle holds")
	}
	switch {
	case c.o.Rehearsal && !h.Rehearsal:
		c.add(SumsFile, "does not say that it was made in a rehearsal")
	case h.Rehearsal && !c.o.Rehearsal:
		c.add(SumsFile, "made in a rehearsal, on throw-away keys: not for use")
	}
	switch now := c.o.Now; {
	case now.IsZero():
	case now.After(h.NotAfter):
		c.add(SumsFile, "the bundle expired at %s", formatTime(h.NotAfter))
	case now.Add(c.o.ValidFor).After(h.NotAfter):
		c.add(SumsFile, "the bundle expires at %s, within %s", formatTime(h.NotAfter), span(c.o.ValidFor))
	}
}

// node checks everything that depends on which node this is.
func (c *checker) node(f *Facts) {
	c.stated(f)
	files, err := kubepki.Files(f.Cluster, f.Node)
	if err != nil {
		c.add(FactsFile, "%v", err)
		return
	}
	leaves, err := kubepki.Leaves(f.Cluster, f.Node)
	if err != nil {
		c.add(FactsFile, "%v", err)
		return
	}
	c.leaves = map[string]kubepki.Leaf{}
	for _, l := range leaves {
		c.leaves[l.Name] = l
	}
	each := &certificateCheck{findings: c.findings, now: c.o.Now, validFor: c.o.ValidFor, serials: map[string]sighting{}}
	c.authority = newAuthorityCheck(each, c.Checker, c.b, c.o.Root, f)
	c.trust = &trustCheck{c.authority}
	c.leaf = &leafCheck{c.authority, c.trust, c.o.Keys}
	texts := map[string][]byte{}
	if c.b.Format > 1 {
		texts = kubernetesTexts(c.b.Format, f, leaves)
	}
	c.fileSet(f, files, texts)
	c.texts(texts)
	c.authority.externalIssuers(f)
	c.authority.rootCertificate()
	c.trust.loginFiles(files)
	c.trust.adoptedAreThere(files)
	for _, file := range files {
		c.file(file)
	}
	c.authority.between(files)
	for _, file := range files {
		if data, ok := c.b.Files[file.Path]; ok && file.Kind == kubepki.RevocationListFile {
			c.revocationList(file, data)
		}
	}
	c.authority.sharedKeys()
	c.nextRelease()
	if end := c.authority.earliest; !end.IsZero() && c.b.NotAfter.After(end) {
		c.add(SumsFile, "not-after is %s, but a certificate expires at %s", formatTime(c.b.NotAfter), formatTime(end))
	}
}

// stated holds what node.json says against the header, and against itself.
func (c *checker) stated(f *Facts) {
	if (f.Trusted != nil || f.Adopted != nil) && c.b.Format < severalAuthorities {
		c.add(FactsFile, "names more than one authority of a family, which format %d cannot hold", c.b.Format)
	}
	if !online(f.Cluster) && c.b.Format >= onlineSigner {
		c.add(FactsFile, "names no authority of an online signer, and format %d is of clusters that have one",
			c.b.Format)
	}
	if f.Cluster.RevocationLists && c.b.Format < revocationLists {
		c.add(FactsFile, "names a revocation list, which format %d cannot hold", c.b.Format)
	}
	if f.Cluster.Name != c.b.Cluster {
		c.add(FactsFile, "cluster is %s, the header says %s", f.Cluster.Name, c.b.Cluster)
	}
	if f.Node.Name != c.b.Node {
		c.add(FactsFile, "node is %s, the header says %s", f.Node.Name, c.b.Node)
	}
	if err := f.Cluster.Validate(); err != nil {
		c.add(FactsFile, "cluster: %v", err)
	}
	if err := f.Node.Validate(); err != nil {
		c.add(FactsFile, "node: %v", err)
	}
}

// fileSet compares which files there are with which there must be.
func (c *checker) fileSet(f *Facts, files []kubepki.File, texts map[string][]byte) {
	want := map[string]bool{FactsFile: true, RootFile: true, VerifyFile: true}
	if c.b.Format > 1 {
		want[ReadmeFile] = true
	}
	for path := range texts {
		want[path] = true
	}
	if _, ok := c.b.Files[IssuersFile]; ok && f.External {
		want[IssuersFile] = true
	}
	if _, ok := c.b.Files[NextReleaseFile]; ok && c.b.Format >= severalAuthorities {
		want[NextReleaseFile] = true
	}
	if f.KeysMade {
		want[KeysFile] = true
		if sealed, ok := c.b.Files[KeysFile]; ok && !armored(sealed) {
			c.add(KeysFile, "is not one ASCII-armored age file")
		}
	}
	if f.KeysMade == (f.Request != fingerprint.SHA256{}) {
		c.add(FactsFile, "names a request and keys made in the ceremony, or neither")
	}
	for _, f := range files {
		switch f.Kind {
		case kubepki.KeyFile:
		case kubepki.ServiceAccountKey:
			want[f.Path+SealedSuffix] = true
		default:
			want[f.Path] = true
		}
	}
	for path := range want {
		if _, ok := c.b.Files[path]; !ok {
			c.add(path, "missing")
		}
	}
	for path := range c.b.Files {
		if !want[path] {
			c.add(path, "does not belong to a node of this kind")
		}
	}
}

// texts compares what is given to kubectl and kubeadm with what follows from
// the node's facts. README.txt and VERIFY.txt are for people; the audit rebuilds
// them.
func (c *checker) texts(want map[string][]byte) {
	for path, text := range want {
		if data, ok := c.b.Files[path]; ok && !bytes.Equal(data, text) {
			c.add(path, "is not what follows from %s", FactsFile)
		}
	}
}

// file checks one file of the tree; those that are missing were reported.
func (c *checker) file(f kubepki.File) {
	data, ok := c.b.Files[f.Path]
	if f.Kind == kubepki.ServiceAccountKey {
		path := f.Path + SealedSuffix
		if sealed, ok := c.b.Files[path]; ok && !armored(sealed) {
			c.add(path, "is not one ASCII-armored age file")
		}
		return
	}
	if !ok {
		return
	}
	switch f.Kind {
	case kubepki.CertificateFile:
		c.leaf.certificateFile(f.Path, data, c.leaves[f.Leaf])
	case kubepki.KubeconfigFile:
		c.leaf.kubeconfigFile(f.Path, data, c.leaves[f.Leaf])
	case kubepki.ClientTrustFile:
		c.trust.clientTrust(f, data)
	case kubepki.ServerTrustFile:
		c.trust.serverTrust(f, data)
	case kubepki.ServiceAccountPublic:
		c.serviceAccount(f.Path, data)
	}
}

func armored(data []byte) bool {
	const begin, end = "-----BEGIN AGE ENCRYPTED FILE-----\n", "-----END AGE ENCRYPTED FILE-----\n"
	return bytes.HasPrefix(data, []byte(begin)) && bytes.HasSuffix(data, []byte(end)) &&
		bytes.Count(data, []byte("-----BEGIN")) == 1
}

// serviceAccount checks sa.pub: keys of a kind Kubernetes loads, each once, and no
// CA's; one, before format 3.
func (c *checker) serviceAccount(path string, data []byte) {
	keys, err := ParsePublicKeys(data)
	if err != nil {
		c.add(path, "%v", err)
		return
	}
	if len(keys) > 1 && c.b.Format < severalAuthorities {
		c.add(path, "holds %d keys, and format %d holds one", len(keys), c.b.Format)
	}
	for i, pub := range keys {
		if problem := serviceAccountKeyKind(pub); problem != "" {
			c.add(path, "%s", problem)
		}
		if slices.ContainsFunc(keys[:i], func(k crypto.PublicKey) bool { return equalKeys(k, pub) }) {
			c.add(path, "holds one key twice")
		}
		for family, list := range c.authority.everyAuthority() {
			if holdsKey(list, pub) {
				c.add(path, "is the key of authority %s", family)
			}
		}
	}
}

// nextRelease checks the release key that the bundle announces. Whether it is
// another than the one that signed the bundle, its installation tells.
func (c *checker) nextRelease() {
	pub, err := c.b.NextRelease()
	if err != nil {
		c.add(NextReleaseFile, "%s", about(NextReleaseFile, err))
	}
	if pub == nil {
		return
	}
	for family, list := range c.authority.everyAuthority() {
		if holdsKey(list, pub) {
			c.add(NextReleaseFile, "is the key of authority %s", family)
		}
	}
	tokens, _ := ParsePublicKeys(c.b.Files["pki/sa.pub"]) // what is wrong with it is said above
	if slices.ContainsFunc(tokens, func(k crypto.PublicKey) bool { return equalKeys(k, pub) }) {
		c.add(NextReleaseFile, "is a key of pki/sa.pub")
	}
}

func holdsKey(list []*x509.Certificate, pub crypto.PublicKey) bool {
	return slices.ContainsFunc(list, func(cert *x509.Certificate) bool { return equalKeys(pub, cert.PublicKey) })
}

func equalKeys(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
