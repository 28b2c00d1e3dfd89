package awskms

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPage holds docs/signers/awskms.md to what the package does: its URIs are
// taken, and its policies allow what is asked of AWS and nothing else.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "signers", "awskms.md"))
	if err != nil {
		t.Fatal(err)
	}
	uris := regexp.MustCompile(`(?m)^awskms:.*$`).FindAllString(string(text), -1)
	if len(uris) != 3 {
		t.Errorf("%d URIs", len(uris))
	}
	for _, uri := range uris {
		if _, err := parseURI(uri + queryOf(uri)); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
	sign := []string{"kms:DescribeKey", "kms:GetPublicKey", "kms:ListResourceTags", "kms:Sign"}
	want := [][]string{sign, append([]string{"kms:CreateAlias", "kms:CreateKey", "kms:ListKeys", "kms:TagResource"}, sign...),
		{"kms:DescribeKey", "kms:GetPublicKey", "kms:ListKeys", "kms:ListResourceTags"},
		{"kms:DeleteAlias", "kms:DescribeKey", "kms:GetPublicKey", "kms:ListKeys", "kms:ListResourceTags",
			"kms:ScheduleKeyDeletion"}}
	policies := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(policies) != len(want) {
		t.Fatalf("%d policies", len(policies))
	}
	for i, p := range policies {
		slices.Sort(want[i])
		if got := actionsOf(t, p[1]); !slices.Equal(got, want[i]) {
			t.Errorf("policy %d allows %s, want %s", i+1, got, want[i])
		}
	}
}

// queryOf is the page's table of attributes, where a URI's own Region allows it.
func queryOf(uri string) string {
	if strings.Contains(uri, "arn:") {
		return "?region=eu-central-1"
	}
	return "?region=eu-central-1&endpoint=https://HOST&policy=/abs/policy.json"
}

func actionsOf(t *testing.T, policy string) (all []string) {
	t.Helper()
	var p struct {
		Statement []struct{ Action json.RawMessage }
	}
	if err := json.Unmarshal([]byte(policy), &p); err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Statement {
		var one string
		var some []string
		if json.Unmarshal(s.Action, &one) != nil && json.Unmarshal(s.Action, &some) != nil {
			t.Fatalf("Action %s", s.Action)
		}
		if one != "" {
			some = append(some, one)
		}
		all = append(all, some...)
	}
	slices.Sort(all)
	return all
}
