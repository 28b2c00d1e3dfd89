package install_test

import (
	"path/filepath"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/install"
)

// BenchmarkVerifyAndInstall opens the tar of a stacked control-plane node, checks
// it, installs it on a fresh node, and verifies what is in place; the mark is
// 200 ms. With TMPDIR on a disk, its syncs count.
func BenchmarkVerifyAndInstall(b *testing.B) {
	p := bundletest.New(b, bundletest.Cluster())
	m := newMachine(b, p, bundletest.First())
	path := filepath.Join(b.TempDir(), "cp-1.tar")
	data, err := p.Bundle(b, m.who, 1).Tar()
	must(b, err)
	bundletest.WriteFile(b, path, data)
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		fresh := m.copyTo(b, b.TempDir())
		b.StartTimer()
		opened, err := bundle.Open(path)
		must(b, err)
		must(b, opened.CheckSignature(p.Release.Public()))
		if found := opened.Check(bundle.CheckOptions{Now: bundletest.Now}); len(found) > 0 {
			b.Fatal(found)
		}
		_, err = fresh.Install(opened, install.Options{Release: p.Release.Public()})
		must(b, err)
		fresh.sound(b, p)
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/node")
}
