package kubeadm

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/limittest"
	"officiant/bundle/yamltree"
)

func TestWorstShapes(t *testing.T) {
	shapes := limittest.YAML(yamltree.Small.Bytes, len(clusterHead))
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		limittest.Hold(t, name, func() { _, _ = Parse("f", []byte(clusterHead+shapes[name]())) })
	}
	for name, text := range map[string]string{
		"SANs":           clusterHead + "apiServer:\n  certSANs:\n" + strings.Repeat("  - a.b\n", 32_000),
		"bad SANs":       clusterHead + "apiServer:\n  certSANs:\n" + strings.Repeat("  - a_b\n", 32_000),
		"a long SAN":     clusterHead + "apiServer:\n  certSANs:\n  - " + strings.Repeat("a.", 120_000) + "\n",
		"a long release": clusterHead + "kubernetesVersion: v1.1.1" + strings.Repeat("+", 250_000) + "\n",
		"merges":         clusterHead + "a: &a {" + strings.Repeat("<<: *a,", 300) + "}\nnetworking: *a\n",
		"merges of each other": clusterHead + "a: &a {b: c}\nd: &d {<<: [" + strings.Repeat("*a,", 900) +
			"]}\nnetworking: {<<: [" +
			strings.Repeat("*d,", 900) + "]}\n",
		"documents of others": strings.Repeat("---\napiVersion: a/v1\nkind: b\n", 9_000),
		"a map in quotes": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kubeadm-config}\ndata: " +
			"{ClusterConfiguration: '" + strings.Repeat("a: b\n\n", 40_000) + "'}\n",
	} {
		limittest.Hold(t, name, func() { _, _ = Parse("f", []byte(text)) })
	}
}
