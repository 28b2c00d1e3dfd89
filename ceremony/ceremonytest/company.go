package ceremonytest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Company is somebody else's PKI: a root that signs with openssl, and knows
// nothing of ours.
type Company struct{ Folder string }

// NewCompany makes a root key and certificate: corp-root.crt.
func NewCompany(t testing.TB) *Company {
	t.Helper()
	c := &Company{t.TempDir()}
	write(t, filepath.Join(c.Folder, "root.cnf"), "[req]\nprompt=no\ndistinguished_name=dn\n[dn]\nC=DE\nO=Corp\nCN=Corp Root CA\n"+
		"[ca]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n")
	c.OpenSSL(t, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-keyout", "corp-root.key",
		"-out", "corp-root.crt", "-days", "7300", "-config", "root.cnf", "-extensions", "ca")
	return c
}

// OpenSSL runs openssl in the company's folder.
func (c *Company) OpenSSL(t testing.TB, args ...string) {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = c.Folder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Issuing makes a CA below the root: NAME.key and NAME.crt.
func (c *Company) Issuing(t testing.TB, name string) {
	t.Helper()
	c.OpenSSL(t, "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", name+".key", "-out", name+".csr", "-subj", "/C=DE/O=Corp/CN="+name)
	c.Sign(t, filepath.Join(c.Folder, name+".csr"), name+".crt", Signing{
		By: "corp-root", Days: 3650, Extensions: "basicConstraints=critical,CA:true,pathlen:1\nkeyUsage=critical,keyCertSign,cRLSign,digitalSignature\n"})
}

// Signing says how a company signs a request. The zero value does it right.
type Signing struct {
	By         string // "corp-root", or an issuing CA
	Days       int    // 3650
	Subject    string // in place of the request's
	Extensions string // in place of the request's own, as openssl writes them
	Add        string // beside the request's own
}

// Sign signs a request into a certificate file in the company's folder.
func (c *Company) Sign(t testing.TB, csr, out string, s Signing) {
	t.Helper()
	if s.By == "" {
		s.By = "corp-root"
	}
	if s.Days == 0 {
		s.Days = 3600
	}
	extensions := "authorityKeyIdentifier=keyid\n"
	args := []string{"x509", "-req", "-in", csr, "-CA", s.By + ".crt", "-CAkey", s.By + ".key", "-out", out, "-days", fmt.Sprint(s.Days), "-sha384"}
	if s.Extensions == "" {
		args = append(args, "-copy_extensions", "copyall")
		extensions += s.Add
	} else {
		extensions += "subjectKeyIdentifier=hash\n" + s.Extensions
	}
	if s.Subject != "" {
		args = append(args, "-subj", s.Subject)
	}
	write(t, filepath.Join(c.Folder, "v3.cnf"), "[v3]\n"+extensions)
	c.OpenSSL(t, append(args, "-extfile", "v3.cnf", "-extensions", "v3")...)
}

// Read reads one of the company's files.
func (c *Company) Read(t testing.TB, names ...string) []byte {
	t.Helper()
	var out []byte
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(c.Folder, name))
		check(t, err)
		out = append(out, data...)
	}
	return out
}

// Below makes the fixture's plan one whose root is the company's.
func (f *Fixture) Below(t testing.TB, c *Company) {
	t.Helper()
	text, err := os.ReadFile(f.PlanFile)
	check(t, err)
	lines := strings.Split(string(text), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "  - {name: root,") {
			lines[i] = "  - {name: root, certificate: corp-root.crt, external: true}"
		}
	}
	write(t, f.PlanFile, strings.Join(lines, "\n"))
	write(t, filepath.Join(f.Folder, "corp-root.crt"), string(c.Read(t, "corp-root.crt")))
}
