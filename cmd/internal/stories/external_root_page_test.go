package stories

import (
	"strings"
	"testing"
)

// TestExternalRootPage types every command of docs/external-root.md after the
// guide's first part.
func TestExternalRootPage(t *testing.T) {
	first, typed := partsOf(t, "2", "external-root.md", 6)
	needTool(t, "openssl")
	// An intermediate is certified again for the key it has.
	again := `mkdir -p again/requests again/back && cp requests/*.req again/requests
officiant ceremony new --kubeadm cp-1.yaml --requests again/requests --previous ceremony --out again/plan.yaml
sed -i 's|^    certificate: previous/harbour-1/kubernetes.crt|    renews: previous/harbour-1/kubernetes.crt\n    validity: 10y|' again/plan.yaml
digest=$(officiant ceremony check again/plan.yaml -o json 2>/dev/null | jq -r .digest)
again="officiant ceremony run again/plan.yaml --station station.yaml --dir again/ceremony --confirm $digest"
$again || test $? = 8
openssl x509 -req -in again/ceremony/csrs/kubernetes.csr -CA corp/root.crt -CAkey corp/root.key -days 3640 -subj /CN=kubernetes/O=harbour \
    -copy_extensions copyall -extfile /dev/stdin -out again/back/kubernetes.crt <<<authorityKeyIdentifier=keyid
shown() { tail -n 1 again/ceremony/transcript.jsonl | sha256sum | cut -c 1-64; }
$again --certificates again/back --head $(shown) || test $? = 3
openssl x509 -req -in again/ceremony/csrs/kubernetes.csr -CA corp/root.crt -CAkey corp/root.key -days 3640 \
    -copy_extensions copyall -extfile /dev/stdin -out again/back/kubernetes.crt <<<authorityKeyIdentifier=keyid
$again --certificates again/back --head $(shown)
`
	_, out := typeAll(t, first, typed, again)
	for _, want := range []string{
		"certifies 3 intermediates there", "the ceremony waits for 3 certificates signed below", "front-proxy.csr",
		"are not written as in the certificate it renews", "ceremony harbour-2: verified",
		"kubernetes: accepted, until", "ceremony harbour-1: verified", "apiserver.crt: OK",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
}
