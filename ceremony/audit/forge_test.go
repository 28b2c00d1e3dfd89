package audit_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// act is a line of a record that is written anew.
type act struct {
	step   int
	at     time.Time
	record transcript.Record
	of     *act // the intent a result belongs to
	seq    int  // in the new record
}

// expanded is a plan with its schedule.txt.
type expanded struct {
	*schedule.Ceremony
	Schedule []byte
}

// forger writes a ceremony anew with every key in its hands: the record is
// chained, bundles are built, everything is signed. What the audit finds then,
// it finds by looking at what was done, not at a hash.
type forger struct {
	*scene
	t    testing.TB
	plan *expanded
	acts []*act
	head fingerprint.SHA256 // of the first line, from which ids follow

	parts   func(*bundle.Header, *bundle.Parts) // changes what a bundle is made of
	files   func(b *bundle.Bundle)              // changes what is in it
	release crypto.Signer                       // signs in place of the release key
	issued  map[string]*x509.Certificate        // by entry
	issuers []*x509.Certificate                 // between an external root and authorities
	lists   map[string][]byte                   // by authority
	built   map[string]*bundle.Bundle           // by node
	keys    transcript.AccountKeys
}

func (s *scene) forge(t testing.TB) *forger {
	t.Helper()
	f := &forger{scene: s.copy(t), t: t, issued: map[string]*x509.Certificate{}, lists: map[string][]byte{}, built: map[string]*bundle.Bundle{}}
	f.readPlan()
	f.release = s.key(f.plan.ReleaseKey())
	record := must(transcript.Read("transcript.jsonl", f.read("transcript.jsonl")))
	f.head = record.Lines[0].Hash
	for _, l := range record.Lines {
		a := &act{step: l.Step, at: l.Time, record: l.Record}
		if n := refers(l.Record); n > 0 {
			a.of = f.acts[n-1]
		}
		f.acts = append(f.acts, a)
	}
	return f
}

func (f *forger) readPlan() {
	c := must(schedule.OpenFS(os.DirFS(f.dir), "plan.yaml", schedule.Options{Now: time.Now()}))
	var text bytes.Buffer
	if err := c.WriteSchedule(&text); err != nil {
		f.t.Fatal(err)
	}
	f.plan = &expanded{c, text.Bytes()}
}

func refers(r transcript.Record) int {
	switch r := r.(type) {
	case transcript.Issued:
		return r.Intent
	case transcript.CRL:
		return r.Intent
	case transcript.Challenge:
		return r.Intent
	case transcript.Canary:
		return r.Intent
	case transcript.Signature:
		return r.Intent
	case transcript.CSR:
		return r.Intent
	case transcript.Abandoned:
		return r.Intent
	}
	return 0
}

// first returns the first act of a type for which accept is true.
func first[R transcript.Record](f *forger, accept func(R) bool) (*act, R) {
	f.t.Helper()
	for _, a := range f.acts {
		if r, ok := a.record.(R); ok && accept(r) {
			return a, r
		}
	}
	var none R
	f.t.Fatalf("no %s line is like that", none.Type())
	return nil, none
}

// change replaces the first record of a type for which change says true.
func change[R transcript.Record](f *forger, change func(*R) bool) {
	f.t.Helper()
	for _, a := range f.acts {
		if r, ok := a.record.(R); ok && change(&r) {
			a.record = r
			return
		}
	}
	f.t.Fatal("no such line")
}

// result returns the result of an intent.
func (f *forger) result(intent *act) *act {
	for _, a := range f.acts {
		if a.of == intent {
			return a
		}
	}
	return nil
}

func (f *forger) drop(gone ...*act) {
	var rest []*act
	for _, a := range f.acts {
		keep := true
		for _, g := range gone {
			keep = keep && a != g
		}
		if keep {
			rest = append(rest, a)
		}
	}
	f.acts = rest
}

// insert puts records before an act; a result refers to the record before it.
func (f *forger) insert(before *act, records ...transcript.Record) {
	var out []*act
	for _, a := range f.acts {
		if a == before {
			for _, r := range records {
				n := &act{step: a.step, at: a.at, record: r}
				if isResult(r) {
					n.of = out[len(out)-1]
				}
				out = append(out, n)
			}
		}
		out = append(out, a)
	}
	f.acts = out
}

func isResult(r transcript.Record) bool {
	switch r.(type) {
	case transcript.Issued, transcript.CRL, transcript.Challenge, transcript.Canary, transcript.Signature, transcript.CSR, transcript.Abandoned:
		return true
	}
	return false
}

// write writes everything; it says so when a record cannot be written.
func (f *forger) write() error {
	path := filepath.Join(f.t.TempDir(), "transcript.jsonl")
	i := 0
	now := func() time.Time { return f.acts[i].at }
	w, err := transcript.Create(&durable.Disk{}, path, now, f.acts[0].record.(transcript.Open))
	if err != nil {
		return err
	}
	defer w.Close()
	f.acts[0].seq = 1
	f.rebind(w.Head())
	var closing *fingerprint.SHA256
	for i = 1; i < len(f.acts); i++ {
		a := f.acts[i]
		a.seq, err = w.Append(a.step, f.prepare(a, w, closing))
		if err != nil {
			return err
		}
		if _, ok := a.record.(transcript.IssuingClosed); ok {
			head := w.Head()
			closing = &head
		}
	}
	if err := w.Sync(); err != nil {
		return err
	}
	data := must(os.ReadFile(path))
	f.scene.write(f.t, "transcript.jsonl", data)
	f.scene.write(f.t, "transcript.sig", f.sign(fingerprint.Of(data)))
	f.outputs()
	return nil
}

// prepare makes a record refer to the lines it now comes after.
func (f *forger) prepare(a *act, w *transcript.Writer, closing *fingerprint.SHA256) transcript.Record {
	of := 0
	if a.of != nil {
		of = a.of.seq
	}
	switch r := a.record.(type) {
	case transcript.Issued:
		r.Intent = of
		f.issued[a.of.record.(transcript.Intent).Name] = must(x509.ParseCertificate(r.Certificate))
		return r
	case transcript.CRL:
		r.Intent = of
		f.lists[a.of.record.(transcript.CRLIntent).Signer] = r.List
		return r
	case transcript.Challenge:
		r.Intent = of
		return r
	case transcript.CSR:
		r.Intent = of
		return r
	case transcript.Received:
		for _, c := range r.Certificates {
			cert, issuers, err := c.Parse()
			if err != nil {
				f.t.Fatal(err)
			}
			f.issued[c.Name] = cert
			f.issuers = append(f.issuers, issuers...)
		}
	case transcript.Canary:
		r.Intent = of
		return r
	case transcript.Abandoned:
		r.Intent = of
		return r
	case transcript.Sealed:
		f.account(r)
	case transcript.Carried:
		f.account(transcript.Sealed(r))
	case transcript.IssuingClosed:
		r.Certificates, r.Abandoned = w.Issued(), w.Abandoned()
		return r
	case transcript.Resumed:
		r.Head = w.Head()
		return r
	case transcript.SignatureIntent:
		if node, ok := strings.CutPrefix(r.Name, "bundle "); ok && closing != nil {
			if b := f.build(node, *closing); b != nil {
				f.built[node] = b
				r.SHA256 = fingerprint.Of(b.Sums)
				a.record = r
			}
		}
		return r
	case transcript.Signature:
		r.Intent = of
		intent := a.of.record.(transcript.SignatureIntent)
		if b := f.built[strings.TrimPrefix(intent.Name, "bundle ")]; b != nil {
			b.Signature = f.sign(intent.SHA256)
			if len(r.Signature) > 1 { // shorter ones are a test's
				r.Signature = b.Signature
			}
		}
		return r
	}
	return a.record
}

func (f *forger) account(r transcript.Sealed) {
	if r.Secret == transcript.NextServiceAccount {
		f.keys.Next = &r
		return
	}
	f.keys.InUse = r
}

func publicPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func (f *forger) sign(sum fingerprint.SHA256) []byte {
	return must(f.release.Sign(rand.Reader, sum[:], crypto.SHA256))
}

// build builds a node's bundle, nil when it cannot be.
func (f *forger) build(node string, closing fingerprint.SHA256) *bundle.Bundle {
	h := bundle.Header{Cluster: "demo", Node: node, Ceremony: f.plan.Digest, Transcript: closing, Sequence: f.plan.Sequence}
	p := bundle.Parts{Cluster: f.plan.Cluster,
		Authorities: map[kubepki.Authority]*x509.Certificate{}, Leaves: map[string]*x509.Certificate{}}
	if o := f.plan.Requests[node]; o != nil {
		p.Request = o.Fingerprint
	} else {
		p.KeysSealed = f.read("secrets/" + node + ".keys.age")
	}
	for _, n := range f.plan.Nodes {
		if n.Name == node {
			p.Node = n
		}
	}
	for _, e := range f.plan.Entries {
		if e.Node == node && f.issued[e.Name] != nil {
			p.Leaves[e.Leaf.Name] = f.issued[e.Name]
		}
	}
	p.Trusted = map[kubepki.Authority][]*x509.Certificate{}
	for _, a := range f.plan.Plan.Authorities {
		switch c := f.authority(a.Name); {
		case c == nil:
		case a.Use == plan.Trust:
			p.Trusted[a.Family] = append(p.Trusted[a.Family], c)
		default:
			p.Authorities[a.Family] = c
		}
	}
	maps.Copy(p.Leaves, f.plan.Carried[node])
	p.Root = p.Authorities[kubepki.Root]
	p.External, p.Issuers = f.plan.External(), f.issuers
	if p.Node.Has(kubepki.ControlPlane) && f.keys.InUse.File != "" {
		p.ServiceAccountSealed = f.read(f.keys.InUse.File)
		for _, der := range f.keys.Public() {
			p.ServiceAccountPublic = append(p.ServiceAccountPublic, publicPEM(der)...)
		}
	}
	if s := f.plan.Plan.Release.Successor; s.Name != "" {
		p.NextRelease = publicPEM(must(x509.MarshalPKIXPublicKey(f.key(s.Name).Public())))
	}
	if p.Cluster.RevocationLists && p.Node.Has(kubepki.Etcd) {
		p.RevocationList = f.lists["etcd"]
		for _, former := range f.plan.Lists {
			if former.Signer == "etcd" {
				p.RevocationList = former.DER
			}
		}
	}
	if f.parts != nil {
		f.parts(&h, &p)
	}
	b, err := bundle.Build(h, p)
	if err != nil {
		f.t.Log(err)
		return nil
	}
	if f.files != nil {
		f.files(b)
		b.Sums = bundletest.Sums(b.Header, b.Files)
	}
	return b
}

// authority is an authority's certificate: issued here, or an input.
func (f *forger) authority(name string) *x509.Certificate {
	if c := f.issued[name]; c != nil {
		return c
	}
	return f.plan.Certificates[name]
}

// outputs writes authorities, release key and bundles as the record has them.
func (f *forger) outputs() {
	for _, a := range f.plan.Plan.Authorities {
		if c := f.issued[a.Name]; c != nil {
			f.scene.write(f.t, f.plan.Plan.AuthorityFile(a), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
		}
	}
	for name, der := range f.lists {
		f.scene.write(f.t, "crls/"+name+".crl", der)
		f.scene.write(f.t, "crls/"+name+".crl.pem", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}))
	}
	der := must(x509.MarshalPKIXPublicKey(f.release.Public()))
	f.scene.write(f.t, "release.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	for node, b := range f.built {
		if err := os.RemoveAll(f.path("bundles/" + node)); err != nil {
			f.t.Fatal(err)
		}
		f.scene.write(f.t, "bundles/"+node+".tar", must(b.Tar()))
		f.scene.write(f.t, "bundles/"+node+"/"+bundle.SumsFile, b.Sums)
		f.scene.write(f.t, "bundles/"+node+"/"+bundle.SignatureFile, b.Signature)
		for path, data := range b.Files {
			f.scene.write(f.t, "bundles/"+node+"/"+path, data)
		}
	}
}

// reissue replaces a certificate. The template is the certificate as it is.
func (f *forger) reissue(name string, sign func(template, parent *x509.Certificate) []byte) {
	f.t.Helper()
	intent, record := first(f, func(r transcript.Intent) bool { return r.Name == name })
	issued := f.result(intent)
	template := must(x509.ParseCertificate(issued.record.(transcript.Issued).Certificate))
	parent := template
	if c := f.plan.Certificates[record.Signer]; c != nil {
		parent = c
	} else if record.Signer != name {
		signer, _ := first(f, func(r transcript.Intent) bool { return r.Name == record.Signer })
		parent = must(x509.ParseCertificate(f.result(signer).record.(transcript.Issued).Certificate))
	}
	der := sign(template, parent)
	record.TBS = must(x509.ParseCertificate(der)).RawTBSCertificate
	intent.record, issued.record = record, transcript.Issued{Certificate: der}
}

// TestForgerChangesNothing shows that what the forger writes is found right
// when it changes nothing: whatever is found below was found for its reason.
func TestForgerChangesNothing(t *testing.T) {
	f := perform(t).forge(t)
	if err := f.write(); err != nil {
		t.Fatal(err)
	}
	r := f.audit(t)
	for _, finding := range r.Findings() {
		t.Error(finding)
	}
}

// TestBundlesOfOlderFormats shows that a ceremony whose bundles were signed by an
// older version of the program is found right, and that each bundle is held
// against its own format's texts.
func TestBundlesOfOlderFormats(t *testing.T) {
	s := perform(t)
	f := s.forge(t)
	f.parts = func(h *bundle.Header, _ *bundle.Parts) {
		if h.Node == "cp-1" {
			h.Format = bundle.OldestFormat
		}
	}
	if err := f.write(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(f.read("bundles/cp-1/"+bundle.SumsFile)), "# officiant-bundle: v1\n") {
		t.Fatal("the bundle of cp-1 is not of format 1")
	}
	for _, finding := range f.audit(t).Findings() {
		t.Error(finding)
	}

	f = s.forge(t)
	f.files = func(b *bundle.Bundle) { b.Format = bundle.OldestFormat } // the newest texts under an old name
	if err := f.write(); err != nil {
		t.Fatal(err)
	}
	found := strings.Join(f.audit(t).Findings(), "\n")
	for _, want := range []string{
		"bundles/cp-1: VERIFY.txt: its text differs from what format 1 of a bundle has",
		"bundles/cp-1: README.txt: not there when built again",
		"bundles/cp-1: officiant/rbac.yaml: not there when built again",
		"bundles/cp-1: officiant/node.json: format 1 knows neither places nor byHand",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("not found: %s\nin\n%s", want, found)
		}
	}
}
