package audit

import (
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// TestBelieved: nor does a certificate vouch that had ended, whose authority is revoked,
// whose node has another key that is compromised, or has left. The plan refuses the same
// by code of its own.
func TestBelieved(t *testing.T) {
	began0 := since.Add(-time.Hour)
	ca := historytest.Root(t, began0)
	cert := ca.Leaf(t, "cp-1", began0, historytest.Key(t).Public())
	other := ca.Leaf(t, "cp-1", began0, historytest.Key(t).Public())
	serial, _ := history.SerialOf(cert.SerialNumber)
	asks := &schedule.Request{Voucher: &schedule.Voucher{Name: "kubelet.conf", SHA256: fingerprint.Of(cert.Raw),
		Serial: serial}}
	for what, tt := range map[string]struct {
		spoil func(a *view)
		left  []string
		says  string
	}{
		"as it is": {func(*view) {}, nil, ""},
		"ended": {func(a *view) {
			open := a.t.Open()
			open.NotBefore = cert.NotAfter.Add(time.Second)
			a.t.Lines[0].Record = open
		}, nil, "vouches for its request, and is valid from"},
		"its authority is revoked": {func(a *view) {
			a.plan.Plan.Revocations = []plan.Revocation{{Serial: plan.Serial{Int: ca.Certificate.SerialNumber},
				Authority: "root", Reason: revocation.CACompromise}}
		}, nil, "and its authority root is revoked (cACompromise)"},
		"another key of the node": {func(a *view) {
			a.plan.Plan.Revocations = []plan.Revocation{{Serial: plan.Serial{Int: other.SerialNumber},
				Authority: "root", Reason: revocation.KeyCompromise}}
		}, nil, "and cp-1/apiserver is revoked as compromised"},
		"left": {func(*view) {}, []string{"cp-1"}, "and the node has left the cluster"},
	} {
		for _, old := range []bool{false, true} {
			at := since
			if old {
				at = since.Add(-time.Second)
			}
			a := began(at, transcript.Open{})
			r := historytest.Begin(t, began0, transcript.Open{})
			r.Issue("root", "root", ca.Certificate)
			r.Issue("cp-1/kubelet.conf", "root", cert)
			r.Issue("cp-1/apiserver", "root", other)
			r.CloseIssuing(tt.left)
			before := must(history.Read(history.Text("before", r.Unfinished())))
			a.past.own, a.past.records = []*history.Record{before}, map[string]*history.Record{"before": before}
			a.plan.Plan.Nodes = []plan.Node{{Name: "cp-1"}}
			a.plan.Requests = map[string]*schedule.Request{"cp-1": asks}
			tt.spoil(a)
			var c Check
			(&vouchAudit{a}).vouchers(&c)
			found(t, what, &c, old, tt.says)
		}
	}
}
