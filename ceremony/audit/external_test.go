package audit_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/transcript"
)

// below is a finished ceremony whose intermediates a company's issuing CA signed.
type below struct {
	*scene
	company *ceremonytest.Company
}

func performBelow(t *testing.T) *below {
	t.Helper()
	s := &below{&scene{fixture: ceremonytest.New(t, ceremonytest.Shape{}), safe: newSafe(), dir: filepath.Join(t.TempDir(), "ceremony")}, ceremonytest.NewCompany(t)}
	s.fixture.Below(t, s.company)
	cfg := s.fixture.Config(t, s.dir)
	cfg.Open = s.safe.open
	var wait *ceremony.Awaiting
	if _, err := ceremony.Run(context.Background(), cfg); !errors.As(err, &wait) {
		t.Fatal(err)
	}
	s.company.Issuing(t, "issuing")
	cfg = s.fixture.Config(t, s.dir)
	cfg.Open, cfg.Received = s.safe.open, map[string][]byte{}
	for _, name := range []string{"kubernetes", "etcd", "front-proxy"} {
		s.company.Sign(t, filepath.Join(s.dir, "csrs", name+".csr"), name+".crt", ceremonytest.Signing{By: "issuing"})
		cfg.Received[name] = s.company.Read(t, name+".crt", "issuing.crt", "corp-root.crt")
	}
	result, err := ceremony.Run(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.result = result
	return s
}

// instead has the company sign front-proxy's request in another way.
func (s *below) instead(t *testing.T, f *forger, how ceremonytest.Signing) {
	t.Helper()
	s.company.Sign(t, filepath.Join(s.dir, "csrs", "front-proxy.csr"), "other.crt", how)
	received(f, func(c *transcript.ReceivedCertificate) {
		if c.Name == "front-proxy" {
			c.Certificate = must(plainDER(s.company.Read(t, "other.crt")))
		}
	})
}

// received changes what came back.
func received(f *forger, do func(*transcript.ReceivedCertificate)) {
	change(f, func(r *transcript.Received) bool {
		certs := append([]transcript.ReceivedCertificate{}, r.Certificates...)
		for i := range certs {
			do(&certs[i])
		}
		r.Certificates = certs
		return true
	})
}

// askedFor signs a request for the kubernetes key anew, after do.
func askedFor(f *forger, do func(*x509.CertificateRequest)) []byte {
	intent, _ := first(f, func(r transcript.CSRIntent) bool { return r.Name == "csr kubernetes" })
	old := must(x509.ParseCertificateRequest(f.result(intent).record.(transcript.CSR).Request))
	template := &x509.CertificateRequest{RawSubject: old.RawSubject, SignatureAlgorithm: old.SignatureAlgorithm, ExtraExtensions: old.Extensions}
	do(template)
	return must(x509.CreateCertificateRequest(rand.Reader, template, f.key("kubernetes")))
}

func ask(f *forger, do func(*x509.CertificateRequest)) {
	der := askedFor(f, do)
	intent, r := first(f, func(r transcript.CSRIntent) bool { return r.Name == "csr kubernetes" })
	r.TBS = must(x509.ParseCertificateRequest(der)).RawTBSCertificateRequest
	f.result(intent).record, intent.record = transcript.CSR{Request: der}, r
	f.scene.write(f.t, "csrs/kubernetes.csr", requestPEM(der))
}

// TestForgedExternal shows that the audit finds what a certificate that came
// back, or a request that went out, must not be.
func TestForgedExternal(t *testing.T) {
	s := performBelow(t)
	f := s.forge(t)
	if err := f.write(); err != nil {
		t.Fatal(err)
	}
	for _, finding := range f.audit(t).Findings() {
		t.Errorf("nothing was changed: %s", finding)
	}
	ca := "basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n"
	for _, c := range []struct {
		what  string
		forge func(t *testing.T, f *forger)
		says  string
	}{
		{"a purpose more", func(t *testing.T, f *forger) {
			s.instead(t, f, ceremonytest.Signing{By: "issuing", Extensions: ca + "extendedKeyUsage=clientAuth,serverAuth\n"})
		}, "certificate of front-proxy: extended key usage is"},
		{"no path length", func(t *testing.T, f *forger) {
			s.instead(t, f, ceremonytest.Signing{By: "issuing", Extensions: "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\nextendedKeyUsage=clientAuth\n"})
		}, "certificate of front-proxy: path length is -1"},
		{"another subject", func(t *testing.T, f *forger) {
			s.instead(t, f, ceremonytest.Signing{By: "issuing", Subject: "/O=demo/CN=proxy"})
		}, "certificate of front-proxy: subject is"},
		{"an attribute more", func(t *testing.T, f *forger) {
			s.instead(t, f, ceremonytest.Signing{By: "issuing", Subject: "/C=DE/O=demo/CN=front-proxy-ca"})
		}, "certificate of front-proxy: subject has attribute 2.5.4.6"},
		{"an extension nobody accepts", func(t *testing.T, f *forger) {
			s.instead(t, f, ceremonytest.Signing{By: "issuing", Add: "nameConstraints=permitted;DNS:corp.example\n"})
		}, "has extension 2.5.29.30, which was not planned"},
		{"too long a life", func(t *testing.T, f *forger) {
			s.instead(t, f, ceremonytest.Signing{By: "corp-root", Days: 3651})
			received(f, func(c *transcript.ReceivedCertificate) {
				if c.Name == "front-proxy" {
					c.Issuers = nil
				}
			})
		}, "certificate of front-proxy: is valid for"},
		{"too short a life", func(t *testing.T, f *forger) {
			s.instead(t, f, ceremonytest.Signing{By: "issuing", Days: 300})
		}, "and for 8760h0m0s yet"},
		{"another key", func(t *testing.T, f *forger) {
			received(f, func(c *transcript.ReceivedCertificate) {
				if c.Name == "front-proxy" {
					s.company.Sign(t, filepath.Join(s.dir, "csrs", "etcd.csr"), "other.crt", ceremonytest.Signing{By: "issuing"})
					c.Certificate = must(plainDER(s.company.Read(t, "other.crt")))
				}
			})
		}, "certificate of front-proxy: public key is"},
		{"no CA between", func(t *testing.T, f *forger) {
			received(f, func(c *transcript.ReceivedCertificate) { c.Issuers = nil })
		}, `is not signed by "CN=Corp Root CA,O=Corp,C=DE"`},
		{"certificates that begin long before they came", func(t *testing.T, f *forger) {
			change(f, func(r *transcript.Received) bool { r.NotBefore = r.NotBefore.Add(-time.Hour); return true })
		}, "what it issues is valid from"},
		{"one that never came", func(t *testing.T, f *forger) {
			change(f, func(r *transcript.Received) bool { r.Certificates = r.Certificates[:2]; return true })
		}, "front-proxy, never came back"},
		{"one that came for nothing", func(t *testing.T, f *forger) {
			received(f, func(c *transcript.ReceivedCertificate) {
				if c.Name == "etcd" {
					c.Entry = 99
				}
			})
		}, "received etcd, entry 99, which is no such certificate of the schedule"},
		{"no request", func(t *testing.T, f *forger) {
			intent, _ := first(f, func(r transcript.CSRIntent) bool { return r.Name == "csr etcd" })
			f.drop(intent, f.result(intent))
		}, "received etcd, whose request was not signed before"},
		{"a request for more", func(t *testing.T, f *forger) {
			ask(f, func(r *x509.CertificateRequest) {
				r.ExtraExtensions = append(r.ExtraExtensions, pkix.Extension{Id: []int{2, 5, 29, 17}, Value: []byte{0x30, 0x00}})
			})
		}, "request of kubernetes: has extension 2.5.29.17"},
		{"a request for another path length", func(t *testing.T, f *forger) {
			ask(f, func(r *x509.CertificateRequest) {
				r.ExtraExtensions[0].Value = []byte{0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x01}
			})
		}, "request of kubernetes: extension 2.5.29.19 does not say what the schedule does"},
		{"a request in another name", func(t *testing.T, f *forger) {
			ask(f, func(r *x509.CertificateRequest) {
				r.RawSubject, r.Subject = nil, pkix.Name{CommonName: "root"}
			})
		}, "request of kubernetes: subject is not the schedule's"},
		{"a request that was abandoned, for more", func(t *testing.T, f *forger) {
			der := askedFor(f, func(r *x509.CertificateRequest) { r.ExtraExtensions = r.ExtraExtensions[1:] })
			before, r := first(f, func(r transcript.CSRIntent) bool { return r.Name == "csr kubernetes" })
			r.TBS = must(x509.ParseCertificateRequest(der)).RawTBSCertificateRequest
			f.insert(before, r, transcript.Abandoned{Reason: "lost"})
		}, "request of kubernetes: lacks extension 2.5.29.19"},
		{"a request by a key that had not answered", func(t *testing.T, f *forger) {
			challenge, _ := first(f, func(r transcript.ChallengeIntent) bool { return r.Name == "etcd" })
			f.drop(challenge, f.result(challenge))
		}, "the etcd key is to sign csr etcd, and has not answered a challenge"},
	} {
		t.Run(c.what, func(t *testing.T) {
			f := s.forge(t)
			f.t = t
			c.forge(t, f)
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			wantFinding(t, f.audit(t), c.says)
		})
	}
}

// TestSpoiledExternal shows that the files of an external root are looked at.
func TestSpoiledExternal(t *testing.T) {
	s := performBelow(t)
	for name, says := range map[string]string{
		"csrs/etcd.csr": "csrs/etcd.csr: is not what the record says", "authorities/issuers.crt": "authorities/issuers.crt: is not what the record says",
	} {
		spoiled := s.copy(t)
		spoiled.write(t, name, append(spoiled.read(name), '\n'))
		wantFinding(t, spoiled.audit(t), says)
		if err := os.Remove(spoiled.path(name)); err != nil {
			t.Fatal(err)
		}
		wantFinding(t, spoiled.audit(t), name+": missing")
	}
}

func plainDER(data []byte) ([]byte, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("no PEM")
	}
	return block.Bytes, nil
}

func requestPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}
