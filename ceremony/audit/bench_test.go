package audit_test

import (
	"testing"

	"officiant/ceremony/audit"
)

func BenchmarkVerify(b *testing.B) {
	s := perform(b)
	for b.Loop() {
		if r, err := audit.Verify(s.dir, audit.Options{Root: &s.result.Root}); err != nil || r.Verdict() != audit.Verified {
			b.Fatal(err, r)
		}
	}
}
