package bundle

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
)

const (
	apiVersion = "officiant/v1"
	factsKind  = "NodeFacts"
	// SealedSuffix ends the name of a sealed file.
	SealedSuffix = ".age"
)

// Build makes a node's bundle, all but its signature. A zero h.Format is the
// newest that these parts need; a zero h.NotAfter becomes the time at which the first certificate in it
// expires. The same h and p give the same bytes. Build refuses parts that are
// missing or that the node does not need; whether they are right, Check says.
func Build(h Header, p Parts) (*Bundle, error) {
	if h.Format == 0 {
		h.Format = p.newest()
	}
	cluster := p.Cluster.Complete()
	if err := checkHeader(h, cluster, p.Node); err != nil {
		return nil, err
	}
	if h.Format < p.least() {
		return nil, fmt.Errorf("bundle of %s: format %d holds one authority of a family, one service-account key and "+
			"no other release key, no external root, no revocation list and no online signer's authority", h.Node,
			h.Format)
	}
	if h.Format > p.newest() {
		return nil, fmt.Errorf("bundle of %s: format %d is of clusters with an authority of an online signer", h.Node,
			h.Format)
	}
	cluster = clusterIn(h.Format, cluster)
	var files []kubepki.File
	leaves, err := kubepki.Leaves(cluster, p.Node)
	if err == nil {
		files, err = kubepki.Files(cluster, p.Node)
	}
	if err != nil {
		return nil, fmt.Errorf("bundle of %s: %w", h.Node, err)
	}
	b := &Bundle{Header: h, Files: map[string][]byte{}}
	b.NotAfter = b.NotAfter.UTC().Truncate(time.Second)
	if h.NotAfter.IsZero() {
		b.NotAfter = earliest(p)
	}
	m := &maker{parts: p, leaves: map[string]kubepki.Leaf{}, used: map[string]bool{}}
	for _, l := range leaves {
		m.leaves[l.Name] = l
	}
	for _, f := range files {
		path, data, err := m.file(f)
		if err != nil {
			return nil, fmt.Errorf("bundle of %s: %s: %w", h.Node, f.Path, err)
		}
		if path != "" {
			b.Files[path] = data
		}
	}
	if p.RevocationList != nil && !slices.ContainsFunc(files, func(f kubepki.File) bool { return f.Kind == kubepki.RevocationListFile }) {
		return nil, fmt.Errorf("bundle of %s: the node has no use for a revocation list", h.Node)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Leaves)) {
		if !m.used[name] {
			return nil, fmt.Errorf("bundle of %s: the node has no use for certificate %s", h.Node, name)
		}
	}
	if err := b.addOwn(cluster, p, leaves, files); err != nil {
		return nil, fmt.Errorf("bundle of %s: %w", h.Node, err)
	}
	b.Sums = renderSums(b.Header, listFiles(b.Files))
	return b, nil
}

func checkHeader(h Header, c kubepki.Cluster, n kubepki.Node) error {
	if h.Node != n.Name {
		return fmt.Errorf("bundle of %s: the header's node is %s", n.Name, h.Node)
	}
	if h.Cluster != c.Name {
		return fmt.Errorf("bundle of %s: the header's cluster is %s, the node's is %s", n.Name, h.Cluster, c.Name)
	}
	if err := plainName(h.Node); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	if err := plainName(h.Cluster); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	if h.Format < OldestFormat || h.Format > NewestFormat {
		return fmt.Errorf("bundle of %s: format %d is not one from %d to %d", h.Node, h.Format, OldestFormat, NewestFormat)
	}
	if h.Sequence < 1 {
		return fmt.Errorf("bundle of %s: sequence %d is not a number from 1", h.Node, h.Sequence)
	}
	return nil
}

// addOwn adds the files that are Officiant's and not Kubernetes'.
func (b *Bundle) addOwn(c kubepki.Cluster, p Parts, leaves []kubepki.Leaf, files []kubepki.File) error {
	if p.Root == nil {
		return fmt.Errorf("%s: no root certificate", RootFile)
	}
	facts := Facts{APIVersion: apiVersion, Kind: factsKind, Cluster: c, Node: p.Node, Request: p.Request, KeysMade: p.KeysSealed != nil,
		Trusted: p.trusted(), Adopted: p.adopted(), External: p.External}
	data, err := json.MarshalIndent(facts, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", FactsFile, err)
	}
	b.Files[FactsFile] = append(data, '\n')
	b.Files[RootFile] = certificatesPEM(p.roots())
	if err := b.addIssuers(p, files); err != nil {
		return err
	}
	if facts.KeysMade {
		b.Files[KeysFile] = p.KeysSealed
	}
	b.Files[VerifyFile] = verifyText(b.Header, &facts, files)
	if b.Format == 1 {
		return nil
	}
	if p.NextRelease != nil {
		b.Files[NextReleaseFile] = p.NextRelease
	}
	b.Files[ReadmeFile] = readme(b.Header, &facts, leaves, p.NextRelease != nil)
	maps.Copy(b.Files, kubernetesTexts(b.Format, &facts, leaves))
	return nil
}

// Rebuild builds the bundle whose SHA256SUMS has that hash, in the format in which
// it was made. So a ceremony that resumes after an update of the program, or an audit
// years later, gets the bundle that was signed.
func Rebuild(h Header, p Parts, sums fingerprint.SHA256) (*Bundle, error) {
	for h.Format = p.newest(); h.Format >= p.least(); h.Format-- {
		b, err := Build(h, p)
		if err != nil {
			return nil, err
		}
		if fingerprint.Of(b.Sums) == sums {
			return b, nil
		}
	}
	return nil, fmt.Errorf("bundle of %s: it comes out with other sums than those signed", h.Node)
}

// maker turns parts into files.
type maker struct {
	parts  Parts
	leaves map[string]kubepki.Leaf
	used   map[string]bool // leaves that were placed
}

// file returns where a node's file lies in the bundle and what it holds; no
// path when the node makes the file itself.
func (m *maker) file(f kubepki.File) (path string, data []byte, err error) {
	switch f.Kind {
	case kubepki.KeyFile:
		return "", nil, nil
	case kubepki.TrustFile:
		data, err = m.trust(f.Authority)
	case kubepki.ClientTrustFile:
		data, err = m.clientTrust(f.Families)
	case kubepki.ServerTrustFile:
		data, err = m.serverTrust(f.Authority)
	case kubepki.CertificateFile:
		data, err = m.leaf(f.Leaf)
	case kubepki.KubeconfigFile:
		data, err = m.kubeconfig(f.Leaf)
	case kubepki.RevocationListFile:
		return f.Path, m.parts.RevocationList, present(m.parts.RevocationList)
	case kubepki.ServiceAccountKey:
		return f.Path + SealedSuffix, m.parts.ServiceAccountSealed, present(m.parts.ServiceAccountSealed)
	case kubepki.ServiceAccountPublic:
		return f.Path, m.parts.ServiceAccountPublic, present(m.parts.ServiceAccountPublic)
	default:
		return "", nil, fmt.Errorf("unknown kind of file %q", f.Kind)
	}
	return f.Path, data, err
}

func present(data []byte) error {
	if len(data) == 0 {
		return fmt.Errorf("not given")
	}
	return nil
}

// trust is what a node trusts of a family: who issues, then who stands beside.
func (m *maker) trust(a kubepki.Authority) ([]byte, error) {
	data, err := m.chain(m.parts.Authorities[a], a)
	return append(data, certificatesPEM(m.parts.Trusted[a])...), err
}

// clientTrust is what the API server trusts of some families, one after the other.
func (m *maker) clientTrust(families []kubepki.Authority) ([]byte, error) {
	var all []byte
	for _, a := range families {
		data, err := m.trust(a)
		if err != nil {
			return nil, err
		}
		all = append(all, data...)
	}
	return all, nil
}

// serverTrust is a family's authorities, then the roots that certified them.
func (m *maker) serverTrust(a kubepki.Authority) ([]byte, error) {
	if m.parts.Root == nil {
		return m.chain(nil, kubepki.Root)
	}
	data, err := m.trust(a)
	if err != nil {
		return nil, err
	}
	if m.parts.External {
		above, err := m.above(a)
		return append(data, above...), err
	}
	data = append(data, certificatePEM(m.parts.Root)...)
	others := m.parts.Trusted[kubepki.Root]
	return append(data, certificatesPEM(rootsOf(m.parts.Trusted[a], others))...), nil
}

func (m *maker) chain(cert *x509.Certificate, a kubepki.Authority) ([]byte, error) {
	if cert == nil {
		return nil, fmt.Errorf("no certificate of authority %s", a)
	}
	return certificatePEM(cert), nil
}

func (m *maker) leaf(name string) ([]byte, error) {
	leaf := m.leaves[name]
	cert := m.parts.Leaves[name]
	if cert == nil {
		return nil, fmt.Errorf("no certificate %s", name)
	}
	m.used[name] = true
	if a := m.parts.Adopted[leaf.Authority]; a != nil && a.Equal(m.parts.Authorities[leaf.Authority]) {
		return certificatePEM(cert), nil // as kubeadm has it
	}
	issuer, err := m.chain(m.parts.Authorities[leaf.Authority], leaf.Authority)
	if err != nil {
		return nil, err
	}
	return append(certificatePEM(cert), issuer...), nil
}

func (m *maker) kubeconfig(name string) ([]byte, error) {
	leaf := m.leaves[name]
	if leaf.Kubeconfig == nil {
		return nil, fmt.Errorf("%s is no kubeconfig", name)
	}
	chain, err := m.leaf(name)
	if err != nil {
		return nil, err
	}
	// The CA is what ca.crt holds, never the root: kubeadm copies it into
	// cluster-info, from where it becomes the client trust of nodes that join.
	ca, err := m.trust(leaf.Authority)
	if err != nil {
		return nil, err
	}
	k := leaf.Kubeconfig
	return (&kubeconfig.Config{
		Cluster: k.Cluster, User: k.User, Context: k.Context, Server: k.Server,
		CA: ca, Certificate: chain,
	}).Render(), nil
}

// certificatePEM is what pem.Encode writes, in one piece.
func certificatePEM(c *x509.Certificate) []byte {
	const begin, end, width = "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", 48 // bytes a line
	lines := (len(c.Raw) + width - 1) / width
	out := make([]byte, 0, len(begin)+base64.StdEncoding.EncodedLen(len(c.Raw))+lines+len(end))
	out = append(out, begin...)
	for der := c.Raw; len(der) > 0; der = der[min(width, len(der)):] {
		out = append(base64.StdEncoding.AppendEncode(out, der[:min(width, len(der))]), '\n')
	}
	return append(out, end...)
}

func certificatesPEM(list []*x509.Certificate) []byte {
	var out []byte
	for _, c := range list {
		out = append(out, certificatePEM(c)...)
	}
	return out
}

// roots are the one above the issuing authorities, then the others.
func (p *Parts) roots() []*x509.Certificate {
	return append([]*x509.Certificate{p.Root}, p.Trusted[kubepki.Root]...)
}

// trusted names the authorities beside those that issue; nil when there is none.
func (p *Parts) trusted() map[kubepki.Authority][]fingerprint.SHA256 {
	var out map[kubepki.Authority][]fingerprint.SHA256
	for family, list := range p.Trusted {
		for _, cert := range list {
			if out == nil {
				out = map[kubepki.Authority][]fingerprint.SHA256{}
			}
			out[family] = append(out[family], fingerprint.Of(cert.Raw))
		}
	}
	return out
}

// adopted names the authorities that signed themselves; nil when there is none.
func (p *Parts) adopted() map[kubepki.Authority]fingerprint.SHA256 {
	if len(p.Adopted) == 0 {
		return nil
	}
	out := map[kubepki.Authority]fingerprint.SHA256{}
	for family, cert := range p.Adopted {
		out[family] = fingerprint.Of(cert.Raw)
	}
	return out
}

// online says whether the cluster has an authority of an online signer.
func online(c kubepki.Cluster) bool { return c.KubeletServing || c.KubeletClient }

// newest is the format in which these parts are built today.
func (p *Parts) newest() int {
	if online(p.Cluster) {
		return NewestFormat
	}
	return onlineSigner - 1
}

// least is the oldest format that holds these parts.
func (p *Parts) least() int {
	if online(p.Cluster) {
		return onlineSigner
	}
	if len(p.Adopted) > 0 {
		return severalAuthorities
	}
	if p.External {
		return externalRoots
	}
	for _, beside := range p.Trusted {
		if len(beside) > 0 {
			return severalAuthorities
		}
	}
	if p.Cluster.RevocationLists {
		return revocationLists
	}
	if p.NextRelease != nil || bytes.Count(p.ServiceAccountPublic, []byte("-----BEGIN")) > 1 {
		return severalAuthorities
	}
	return OldestFormat
}

// rootsOf are those of the roots that certified any of the authorities.
func rootsOf(authorities, roots []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	for _, root := range roots {
		if slices.ContainsFunc(authorities, func(a *x509.Certificate) bool { return issuedBy(a, root) }) {
			out = append(out, root)
		}
	}
	return out
}

// issuedBy compares names and key identifiers; signatures are checked elsewhere.
func issuedBy(cert, issuer *x509.Certificate) bool {
	return bytes.Equal(cert.RawIssuer, issuer.RawSubject) &&
		(len(cert.AuthorityKeyId) == 0 || len(issuer.SubjectKeyId) == 0 || bytes.Equal(cert.AuthorityKeyId, issuer.SubjectKeyId))
}

// earliest is when the first certificate of p expires on which this node's
// depend. What is trusted beside the issuing authorities is none of them, and nothing
// here is issued by those of an online signer.
func earliest(p Parts) time.Time {
	var t time.Time
	add := func(c *x509.Certificate) {
		if c != nil && (t.IsZero() || c.NotAfter.Before(t)) {
			t = c.NotAfter
		}
	}
	add(p.Root)
	for a, c := range p.Authorities {
		if !a.Online() {
			add(c)
		}
	}
	for _, c := range p.Leaves {
		add(c)
	}
	return t.UTC()
}

// Facts reads officiant/node.json.
func (b *Bundle) Facts() (*Facts, error) {
	data, ok := b.Files[FactsFile]
	if !ok {
		return nil, fmt.Errorf("%s: missing", FactsFile)
	}
	var f Facts
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("%s:%s: %w", FactsFile, position(data, d.InputOffset()), err)
	}
	if d.More() {
		return nil, fmt.Errorf("%s:%s: text after the document", FactsFile, position(data, d.InputOffset()))
	}
	if b.Format < places && (f.Cluster.Places != kubepki.Places{} || f.Cluster.ByHand) {
		return nil, fmt.Errorf("%s: format %d knows neither places nor byHand", FactsFile, b.Format)
	}
	if b.Format < onlineSigner && online(f.Cluster) {
		return nil, fmt.Errorf("%s: format %d knows no authority of an online signer", FactsFile, b.Format)
	}
	f.Cluster = clusterIn(b.Format, f.Cluster)
	if f.APIVersion != apiVersion || f.Kind != factsKind {
		return nil, fmt.Errorf("%s: %s %s is not %s %s", FactsFile, f.APIVersion, f.Kind, apiVersion, factsKind)
	}
	return &f, nil
}

// position is line:column of a byte offset.
func position(data []byte, offset int64) string {
	before := string(data[:min(int(offset), len(data))])
	return fmt.Sprintf("%d:%d", 1+strings.Count(before, "\n"), len(before)-strings.LastIndex(before, "\n"))
}
