package ceremony_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/refusaltest"
	"officiant/ceremony"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/signer"
)

var awaited = []string{"kubernetes", "etcd", "front-proxy"}

// waiting runs a ceremony below a company's root up to its gate.
func waiting(t *testing.T) (*ceremonytest.Fixture, *ceremonytest.Company, string) {
	t.Helper()
	f, company := ceremonytest.New(t, ceremonytest.Shape{}), ceremonytest.NewCompany(t)
	f.Below(t, company)
	dir := filepath.Join(t.TempDir(), "ceremony")
	_, err := ceremony.Run(context.Background(), f.Config(t, dir))
	var wait *ceremony.Awaiting
	if !errors.As(err, &wait) {
		t.Fatalf("got %v, not a ceremony that waits", err)
	}
	if want := []string{"kubernetes.crt", "etcd.crt", "front-proxy.crt"}; !slices.Equal(wait.Back, want) {
		t.Fatalf("waits for %v", wait.Back)
	}
	return f, company, dir
}

// signed has the company sign every request.
func signed(t *testing.T, company *ceremonytest.Company, dir string, s ceremonytest.Signing) map[string][]byte {
	t.Helper()
	back := map[string][]byte{}
	for _, name := range awaited {
		company.Sign(t, filepath.Join(dir, "csrs", name+".csr"), name+".crt", s)
		back[name] = company.Read(t, name+".crt")
		if s.By != "" {
			back[name] = company.Read(t, name+".crt", s.By+".crt")
		}
	}
	return back
}

func finish(t *testing.T, f *ceremonytest.Fixture, dir string, back map[string][]byte) {
	t.Helper()
	cfg := f.Config(t, dir)
	cfg.Received = back
	result, err := ceremony.Run(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(dir, audit.Options{Now: time.Now(), Release: &result.Release})
	if err != nil || report.Verdict() != audit.Verified {
		t.Fatalf("%v: %v %v", err, report.Verdict(), report.Findings())
	}
}

// TestExternalRoot has a company's root sign the intermediates.
func TestExternalRoot(t *testing.T) {
	f, company, dir := waiting(t)
	finish(
		t,
		f,
		dir,
		signed(t, company, dir, ceremonytest.Signing{Add: "crlDistributionPoints=URI:http://pki.corp.example/root.crl\n"}),
	)
}

// TestExternalIssuingCA has a CA below the company's root sign them.
func TestExternalIssuingCA(t *testing.T) {
	f, company, dir := waiting(t)
	company.Issuing(t, "corp-issuing")
	finish(t, f, dir, signed(t, company, dir, ceremonytest.Signing{By: "corp-issuing"}))
}

// TestWrongCertificatesRefused brings back certificates that are wrong, one
// after the other, and then the right ones: nothing was lost by it.
func TestWrongCertificatesRefused(t *testing.T) {
	f, company, dir := waiting(t)
	company.Issuing(t, "corp-issuing")
	company.Issuing(t, "other")
	right := signed(t, company, dir, ceremonytest.Signing{})
	ca := "basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n"
	with := func(s ceremonytest.Signing) []byte {
		company.Sign(t, filepath.Join(dir, "csrs", "front-proxy.csr"), "wrong.crt", s)
		return company.Read(t, "wrong.crt")
	}
	stranger := ceremonytest.NewCompany(t)
	stranger.Sign(t, filepath.Join(dir, "csrs", "front-proxy.csr"), "wrong.crt", ceremonytest.Signing{})
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"missing", nil, "front-proxy.crt: missing"},
		{"no certificate", []byte("x"), "holds no certificate"},
		{"a key with it", append(slices.Clone(right["front-proxy"]), company.Read(t, "corp-root.key")...),
			"only certificates belong here"},
		{"another key", right["etcd"], "its public key is"},
		{"another subject", with(ceremonytest.Signing{Subject: "/O=demo/CN=proxy"}), `subject is "CN=proxy,O=demo", the schedule says "CN=front-proxy-ca,O=demo"`},
		{"an attribute more", with(ceremonytest.Signing{Subject: "/C=DE/O=demo/CN=front-proxy-ca"}),
			"attribute 2.5.4.6 beside CN and O"},
		{"no CA", with(ceremonytest.Signing{Extensions: "basicConstraints=critical,CA:false\nextendedKeyUsage=clientAuth\n"}), "is not the certificate of a CA"},
		{"path length", with(ceremonytest.Signing{Extensions: "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\nextendedKeyUsage=clientAuth\n"}), "path length is unlimited, the schedule says 0"},
		{"not critical", with(ceremonytest.Signing{Extensions: "basicConstraints=CA:true,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nextendedKeyUsage=clientAuth\n"}), "basic constraints are not critical"},
		{"usage", with(ceremonytest.Signing{Extensions: "basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign\nextendedKeyUsage=clientAuth\n"}), "key usage is keyCertSign, the schedule says keyCertSign,cRLSign"},
		{"purpose", with(ceremonytest.Signing{Extensions: ca + "extendedKeyUsage=clientAuth,serverAuth\n"}),
			"extended key usage is clientAuth,serverAuth, the schedule says clientAuth"},
		{"no purpose", with(ceremonytest.Signing{Extensions: ca}), "extended key usage is none"},
		{"name constraints", with(ceremonytest.Signing{Add: "nameConstraints=permitted;DNS:corp.example\n"}),
			"extension 2.5.29.30, which is not accepted"},
		{"a name", with(ceremonytest.Signing{Add: "subjectAltName=DNS:proxy\n"}), "extension 2.5.29.17, which is not " +
			"accepted"},
		{"too short", with(ceremonytest.Signing{Days: 300}), "1y from now have to be left of it"},
		{"too long", with(ceremonytest.Signing{Days: 3651}), "the schedule says at most"},
		{"another root", stranger.Read(t, "wrong.crt"), "its signature is not by the root's key"},
		{"no chain", with(ceremonytest.Signing{By: "corp-issuing"}), "neither the root nor a CA that came with it"},
		{"serial", append([]byte{}, sameSerial(t, company, dir, right)...), "has the serial number of kubernetes.crt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := f.Config(t, dir)
			cfg.Received = map[string][]byte{"kubernetes": right["kubernetes"], "etcd": right["etcd"]}
			if c.data != nil {
				cfg.Received["front-proxy"] = c.data
			}
			_, err := ceremony.Run(context.Background(), cfg)
			var refused *ceremony.Refused
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v\nwant %s", err, c.want)
			}
			for _, reason := range refused.Reasons {
				if !strings.HasPrefix(reason, "front-proxy.crt: ") {
					t.Errorf("refused %q too", reason)
				}
			}
		})
	}
	// A PKCS #7 is a set: the certificate is found by its key, in text and in DER.
	tmp := t.TempDir()
	for name, form := range map[string]string{"etcd": "der", "kubernetes": "pem"} {
		chain := append(company.Read(t, "corp-root.crt"), right[name]...)
		if err := os.WriteFile(filepath.Join(tmp, "in"), chain, 0o600); err != nil {
			t.Fatal(err)
		}
		right[name] = []byte(refusaltest.Shell(t, tmp, "openssl crl2pkcs7 -nocrl -certfile in -outform "+form))
	}
	// What it has besides is passed over.
	right["front-proxy"] = append(company.Read(t, "other.crt"), right["front-proxy"]...)
	finish(t, f, dir, right)
}

// sameSerial has the company sign with a serial number it gave already.
func sameSerial(t *testing.T, company *ceremonytest.Company, dir string, right map[string][]byte) []byte {
	t.Helper()
	for i := 1; i <= 2; i++ {
		name := []string{"", "kubernetes", "front-proxy"}[i]
		company.OpenSSL(
			t,
			"x509",
			"-req",
			"-in",
			filepath.Join(dir, "csrs", name+".csr"),
			"-CA",
			"corp-root.crt",
			"-CAkey",
			"corp-root.key",
			"-out",
			name+".crt",
			"-days",
			"3600",
			"-set_serial",
			"77",
			"-copy_extensions",
			"copyall",
		)
	}
	right["kubernetes"] = company.Read(t, "kubernetes.crt")
	return company.Read(t, "front-proxy.crt")
}

// TestKilledAroundTheGate goes on with what a ceremony that is killed at each write,
// sync and signature on either side of its gate leaves behind.
func TestKilledAroundTheGate(t *testing.T) {
	f, company := ceremonytest.New(t, ceremonytest.Shape{Root: signer.ECDSAP256}), ceremonytest.NewCompany(t)
	f.Below(t, company)
	short := func(at int) bool { return testing.Short() && at%7 != 0 }
	dir, begun := filepath.Join(t.TempDir(), "whole"), false
	before, _, err := snapshotsOf(t, f, f.Config(t, dir), func(at int, event string) bool {
		begun = begun || event == "before sign demo/kubernetes"
		return begun && !short(at)
	})
	var wait *ceremony.Awaiting
	if !errors.As(err, &wait) {
		t.Fatal(err)
	}
	back := signed(t, company, dir, ceremonytest.Signing{})
	issuing := 0 // the first certificate's event
	after, _, err := snapshotsOf(t, f, with(f.Config(t, dir), back), func(at int, event string) bool {
		if issuing == 0 && event == "before sign demo/kubernetes" { // its challenge
			issuing = at
		}
		return (issuing == 0 || at <= issuing+60) && !short(at)
	})
	must(t, err)
	t.Logf("%d instants before the gate, %d after it", len(before), len(after))
	for _, s := range after {
		t.Run("after "+s.String(), func(t *testing.T) { finish(t, s.resumed(t, f), s.dir, back) })
	}
	for _, s := range before {
		t.Run("before "+s.String(), func(t *testing.T) {
			f := s.resumed(t, f)
			if _, err := ceremony.Run(context.Background(), f.Config(t, s.dir)); !errors.As(err, &wait) {
				t.Fatalf("resume: %v", err)
			}
			finish(t, f, s.dir, signed(t, company, s.dir, ceremonytest.Signing{}))
		})
	}
}

func with(cfg ceremony.Config, back map[string][]byte) ceremony.Config {
	cfg.Received = back
	return cfg
}
