package audit_test

import (
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/ceremony/audit"
)

// TestLeafSignatures: whether a leaf's signature is its authority's is told in its own place
// among the certificates, in the record's order, also where there is no bundle to verify it with.
func TestLeafSignatures(t *testing.T) {
	whole := perform(t)
	for _, bundles := range []bool{true, false} {
		t.Run(fmt.Sprintf("bundles %t", bundles), func(t *testing.T) {
			t.Parallel()
			f := whole.forge(t)
			otherKey := func(c, parent *x509.Certificate) []byte {
				parent.PublicKey = f.key("etcd").Public()
				return must(x509.CreateCertificate(rand.Reader, c, parent, c.PublicKey, f.key("etcd")))
			}
			f.reissue("worker-1/kubelet.conf", otherKey)
			f.reissue("cp-1/admin.conf", otherKey)
			f.reissue("cp-1/apiserver", func(c, parent *x509.Certificate) []byte {
				c.DNSNames = c.DNSNames[1:]
				return must(x509.CreateCertificate(rand.Reader, c, parent, c.PublicKey, f.key("kubernetes")))
			})
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			if !bundles {
				if err := os.RemoveAll(filepath.Join(f.dir, "bundles")); err != nil {
					t.Fatal(err)
				}
			}
			r := f.auditWith(t, audit.Options{Now: time.Now(), ReleaseKey: f.release.Public()})
			at := slices.IndexFunc(r.Checks, func(c audit.Check) bool {
				return strings.HasPrefix(c.Name, "each certificate is")
			})
			signatures, last := 0, 0
			for _, p := range r.Checks[at].Problems {
				var line int
				if _, err := fmt.Sscanf(p, "line %d: certificate of ", &line); err != nil || line < last {
					t.Errorf("%s: %v, after line %d", p, err, last)
				}
				last = line
				if strings.Contains(p, "signature is not that of authority kubernetes") {
					signatures++
				}
			}
			if signatures != 2 || len(r.Checks[at].Problems) < 3 {
				t.Errorf("%d of two signatures, among %d problems", signatures, len(r.Checks[at].Problems))
			}
		})
	}
}
