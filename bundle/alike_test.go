package bundle_test

import (
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
)

// TestAlike: bundles of two ceremonies are alike when they place and announce the same.
func TestAlike(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.Worker())
	parts := p.Parts(t, n)
	one, two := p.BundleOfParts(t, n, 1, parts), p.BundleOfParts(t, n, 2, parts)
	if string(one.Sums) == string(two.Sums) || !bundle.Alike(one, two) {
		t.Error("two bundles of the same parts are not alike")
	}
	other := bundletest.Clone(two)
	other.Files["kubelet.conf"] = append(other.Files["kubelet.conf"], '\n')
	more := bundletest.Clone(two)
	more.Files["officiant/release-next.pub"] = []byte("a key")
	less := bundletest.Clone(two)
	delete(less.Files, "pki/ca.crt")
	parts.NextRelease = bundletest.PublicPEM(t, bundletest.Key(t).Public())
	for what, b := range map[string]*bundle.Bundle{
		"another kubelet.conf": other, "a file more": more, "a file less": less,
		"one that announces a key": p.BundleOfParts(t, n, 2, parts),
		"another node's":           p.Bundle(t, p.NewNode(t, bundletest.EtcdOnly()), 2),
	} {
		if bundle.Alike(one, b) || bundle.Alike(b, one) {
			t.Errorf("%s is alike", what)
		}
	}
}
