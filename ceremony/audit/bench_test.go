package audit_test

import (
	"fmt"
	"testing"

	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
)

// BenchmarkVerify is a whole verification of a ceremony, by the number of its workers.
func BenchmarkVerify(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("workers-%d", n), func(b *testing.B) {
			s := performShape(b, ceremonytest.Shape{Workers: n})
			key := s.key("release").Public()
			b.ReportAllocs()
			for b.Loop() {
				r, err := audit.Verify(s.dir, audit.Options{ReleaseKey: key})
				if err != nil || r.Verdict() != audit.Verified {
					b.Fatal(err, r)
				}
			}
		})
	}
}
