package report

import (
	"bytes"
	"crypto/x509"
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/approval"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
)

// hostile is text that must come out as text.
const hostile = `<script>alert(1)</script>"'&`

func script() *Script {
	p := &plan.Plan{Name: "demo-1", Authorities: []plan.Authority{
		{Name: "root", Key: plan.Key{Existing: fingerprint.Of([]byte("root"))}},
		{Name: "kubernetes", Key: plan.Key{Create: "ECDSA-P256"}},
	}}
	p.Release.Key.Existing = fingerprint.Of([]byte("release"))
	p.Nodes = []plan.Node{{Name: "cp-1"}}
	return &Script{
		Plan: &schedule.Ceremony{Plan: p, Certificates: map[string]*x509.Certificate{"root": {Raw: []byte("root")}},
			Requests: map[string]*schedule.Request{"cp-1": {Fingerprint: fingerprint.Of([]byte("cp-1"))}},
			Vouched:  map[string]schedule.Vouch{"cp-1": schedule.ByHostKey},
			Cluster:  kubepki.Cluster{Name: "demo"}, Sequence: 2,
			Digest: fingerprint.Of([]byte("digest")),
			People: approval.People{List: []approval.Person{{Name: "alice", Role: "officer"}}}},
		Station: "room-1", PlanFile: "plan.yaml",
		Steps: []Step{
			{N: 1, Title: "Open the token of root", Place: "token " + hostile, People: strings.Repeat("wait ", 40), Failure: "Stop."},
			{N: 2, Title: "Make the kubernetes key", Final: true, Swap: true, Place: "token b", Failure: "Again."},
		},
		Tokens:  []Token{{Place: "token " + hostile, Keys: []string{"root"}}, {Place: "token c", Keys: []string{"root"}, Clone: true}},
		Program: Sum{"officiant 1", strings.Repeat("a", 64)}, Modules: []Sum{{Name: "PKCS#11 module of the room"}},
	}
}

func TestScriptText(t *testing.T) {
	var b bytes.Buffer
	if err := script().Text(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\nstep 2 of 2  Make the kubernetes key\n    SWAP  token b\n", "THE POINT OF NO RETURN", "  alice              officer ",
		"root key (public key; it exists already)", "root certificate (it exists already)",
		"release key (public key; it exists already)", "request of cp-1 (vouched for by the node's SSH host key)",
		"[ ] token c: for the clone of root", "if it fails: Stop.",
		strings.Join(fingerprint.Of([]byte("digest")).Lines(), "\n    "),
		"officiant ceremony run plan.yaml",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
	for line := range strings.Lines(b.String()) {
		if len(line) > columns+1 {
			t.Errorf("%d columns: %q", len(line)-1, line)
		}
	}
}

func TestScriptPage(t *testing.T) {
	var b bytes.Buffer
	if err := script().HTML(&b); err != nil {
		t.Fatal(err)
	}
	SelfContained(t, b.String())
	for _, want := range []string{"step 2 of 2", "The point of no return", "token &lt;script&gt;", "Swap: "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in the page", want)
		}
	}
}

// SelfContained wants a page that is well formed, fetches nothing, runs nothing,
// and shows hostile text as text.
func SelfContained(t *testing.T, page string) {
	t.Helper()
	for _, bad := range []string{"url(", "@import", "zgotmplz"} {
		if strings.Contains(strings.ToLower(page), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if !strings.Contains(page, `content="default-src 'none'; style-src 'unsafe-inline'"`) {
		t.Error("the page lets itself fetch")
	}
	d := xml.NewDecoder(strings.NewReader(page))
	d.Entity = xml.HTMLEntity
	for {
		token, err := d.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Errorf("not well formed: %v", err)
			return
		}
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if slices.Contains([]string{"script", "img", "iframe", "link", "object", "embed", "base", "form", "use", "image"}, e.Name.Local) {
			t.Errorf("the page has an element %s", e.Name.Local)
		}
		for _, attribute := range e.Attr {
			if name := attribute.Name.Local; slices.Contains([]string{"src", "href", "action", "srcset", "data"}, name) || strings.HasPrefix(name, "on") {
				t.Errorf("%s has %s=%q", e.Name.Local, name, attribute.Value)
			}
		}
	}
}

// TestSelfContainedCanFail shows what the check above refuses.
func TestSelfContainedCanFail(t *testing.T) {
	const policy = `<p content="default-src 'none'; style-src 'unsafe-inline'">`
	for _, bad := range []string{`<script>1</script>`, `<b onclick="x"/>`, `<img src="x"/>`, `<b style="background:url(x)"/>`, `<b>`} {
		inner := &testing.T{}
		SelfContained(inner, policy+bad+"</p>")
		if !inner.Failed() {
			t.Errorf("%s passes", bad)
		}
	}
}

// TestQR: the drawn modules are those of the code; a reader of QR codes is not
// at hand, so the finder patterns stand for the rest.
func TestQR(t *testing.T) {
	f := fingerprint.Of([]byte("x"))
	path, err := qrPath(f)
	if err != nil {
		t.Fatal(err)
	}
	side, err := qrSide(f)
	if err != nil || side != 45 {
		t.Errorf("%d modules wide, %v", side, err)
	}
	if !strings.HasPrefix(path, "M4 4h7v1h-7z") || strings.Trim(path, "Mhvz-0123456789 ") != "" {
		t.Errorf("path %.60s", path)
	}
}
