package endpoint_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"officiant/ceremony/online"
	"officiant/ceremony/online/endpoint"
	"officiant/ceremony/online/policy"
)

// signer keeps what it was asked.
type signer struct {
	asked  []policy.Request
	status online.Status
}

func (s *signer) Ask(_ context.Context, r policy.Request) online.Answer {
	s.asked = append(s.asked, r)
	return online.Answer{State: online.Denied, Reason: policy.SANName, Detail: "d", Head: online.Head{Seq: 7}}
}
func (s *signer) Status() online.Status { return s.status }
func (s *signer) Counts() online.Counts {
	return online.Counts{Asked: 3, Answered: map[online.Outcome]int64{{State: online.Denied, Reason: policy.SANName}: 2,
		{State: online.Signed}: 1}, Latency: make([]int64, len(online.Buckets)+1), Seconds: 0.5}
}

func do(t *testing.T, h http.Handler, method, path, body string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(text)
}

const right = `{"signerName":"s","username":"u","groups":["g"],"usages":["client auth"],` +
	`"expirationSeconds":600,"request":"eA=="}`

func TestRequests(t *testing.T) {
	s := &signer{status: online.Status{Cluster: "demo"}}
	h := endpoint.Requests(s)
	code, text := do(t, h, "POST", "/v1/sign", right)
	var a online.Answer
	if err := json.Unmarshal([]byte(text), &a); err != nil || code != 200 || a.Reason != policy.SANName ||
		a.Head.Seq != 7 {
		t.Errorf("%d: %s", code, text)
	}
	if r := s.asked[0]; r.SignerName != "s" || r.Username != "u" || r.Seconds != 600 || !bytes.Equal(r.CSR,
		[]byte("x")) {
		t.Errorf("%+v", r)
	}
	for name, c := range map[string]struct {
		method, path, body string
		code               int
	}{
		"a field that is not known": {"POST", "/v1/sign", strings.Replace(right, `"groups"`,
			`"uid":"1","groups"`, 1), 400},
		"no user":                      {"POST", "/v1/sign", strings.Replace(right, `"u"`, `""`, 1), 400},
		"text after it":                {"POST", "/v1/sign", right + "{}", 400},
		"no JSON":                      {"POST", "/v1/sign", "x", 400},
		"more than it takes":           {"POST", "/v1/sign", strings.Repeat(" ", 70_000) + right, 400},
		"another method":               {"PUT", "/v1/sign", right, 405},
		"another path":                 {"POST", "/v2/sign", right, 404},
		"metrics are not for who asks": {"GET", "/metrics", "", 404},
	} {
		if code, text := do(t, h, c.method, c.path, c.body); code != c.code {
			t.Errorf("%s: %d: %s", name, code, text)
		}
	}
	if len(s.asked) != 1 {
		t.Errorf("%d requests went on", len(s.asked))
	}
	do(t, h, "POST", "/v1/sign", strings.Replace(right, "600", "0", 1))
	if s.asked[1].Seconds >= 0 {
		t.Error("a life of no seconds is as good as none said")
	}
	if code, text := do(t, h, "GET", "/v1/status", ""); code != 200 || !strings.Contains(text, `"cluster":"demo"`) {
		t.Errorf("%d: %s", code, text)
	}
}

func TestOperators(t *testing.T) {
	now := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	s := &signer{status: online.Status{Token: "away", GrantEnds: now.AddDate(0, 0, 3), Size: 99,
		Authorities: map[string]time.Time{"kubelet-client": now.Add(36 * time.Hour)}}}
	h := endpoint.Operators(s, func() time.Time { return now })
	if code, _ := do(t, h, "GET", "/readyz", ""); code != 503 {
		t.Errorf("ready without a token: %d", code)
	}
	s.status.Ready = true
	for path, want := range map[string][]string{
		"/readyz": {"ok"}, "/healthz": {"ok"},
		"/metrics": {"officiant_signer_asked_total 3\n",
			`officiant_signer_answers_total{state="denied",reason="san-not-in-grant"} 2`,
			"officiant_signer_token_up 0\n", "officiant_signer_journal_up 1\n", "officiant_signer_journal_bytes 99\n",
			`officiant_signer_authority_days_left{authority="kubelet-client"} 1.5`,
			"officiant_signer_grant_days_left 3\n",
			`officiant_signer_answer_seconds_bucket{le="+Inf"} 0`, "officiant_signer_answer_seconds_sum 0.5\n"},
	} {
		code, text := do(t, h, "GET", path, "")
		for _, w := range want {
			if code != 200 || !strings.Contains(text, w) {
				t.Errorf("%s: %d, without %s:\n%s", path, code, w, text)
			}
		}
	}
}
