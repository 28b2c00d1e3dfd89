package schedule

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLaterFindings: a value that cannot be read hides nothing else that is wrong,
// and what follows from it is not told beside it.
func TestLaterFindings(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		want           []string
	}{
		{"a duration", "    evidence: consistent\n", "    evidence: consistent\n    validity: 10 years\n", []string{
			`plan.yaml:18:15: validity: "10 years" is not a duration: write "1y" (365 days), "90d" or "8760h"`,
			`plan.yaml:21:15: front-proxy`}},
		{"two of them", "    evidence: software\n", "    evidence: software\n    validity: ever\n", []string{
			`plan.yaml:12:15: validity: "ever" is not a duration: write "1y" (365 days), "90d" or "8760h"`,
			`plan.yaml:16:15: validity: "ever" is not a duration: write "1y" (365 days), "90d" or "8760h"`,
			`plan.yaml:22:15: front-proxy`}},
		{"a fingerprint, which the key then lacks", "key: {create: RSA-4096}", "key: {existing: 12}", []string{
			`plan.yaml:16:21: existing: `, `plan.yaml:20:15: front-proxy`}},
		{"a misspelt key", "kubernetesVersion", "kubernetsVersion", []string{
			`plan.yaml:6:3: unknown field "kubernetsVersion" in cluster; did you mean kubernetesVersion?`,
			`plan.yaml:20:15: front-proxy`}},
		{"one in upper case", "authorities:", "Authorities:", []string{
			`plan.yaml:8:1: unknown field "Authorities" in the plan; did you mean authorities?`, `plan.yaml:20:15: ` +
				`front-proxy`}},
		{"a key that is nobody's", "key: {create: RSA-4096}", "key: {slot: 4}", []string{
			`plan.yaml:16:11: unknown field "slot" in key`, `plan.yaml:20:15: front-proxy`}},
		{"which ceremonies it continues", "previous: none", "previous: [{cluster: demo, sequence: one}]", []string{
			`plan.yaml:7:38: sequence is a whole number`}},
		{"a list for a mapping", "  key: {create: ECDSA-P256}\n  evidence: software\nnodes", "  [key]\nnodes", []string{
			`release is a mapping`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := 1
			if tt.name == "two of them" {
				n = 2
			}
			text := strings.Replace(bare, tt.old, tt.new, n)
			text = strings.Replace(text, "evidence: attested", "evidence: atested", 1)
			_, err := opens(text, nil)
			if err == nil {
				t.Fatal("accepted")
			}
			got := problems(t, err)
			for i := range got {
				if i < len(tt.want) && (strings.HasPrefix(got[i], tt.want[i]) || strings.HasSuffix(got[i], tt.want[i])) {
					got[i] = tt.want[i]
				}
				if strings.Contains(got[i], `evidence "atested"`) && i < len(tt.want) {
					got[i] = strings.SplitN(got[i], ": ", 2)[0] + ": front-proxy"
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
