package schedule

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"officiant/ceremony/history/historytest"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
	"officiant/ceremony/transcript"
)

// TestOtherKeysAlone: with previous: none, or with a ceremony of strangers, nothing that
// another ceremony made is used: not one key, whatever it is for, nor a service-account
// pair, nor by way of another cluster, of a root that others have, or of an adoption.
func TestOtherKeysAlone(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	whole := p.continued(t, cp1)
	none := previously.ReplaceAllString(whole, "previous: none\n\n")
	created := strings.Replace(none, "  sealed: previous/demo-1/sa.key.age\n  public: previous/demo-1/sa.pub\n",
		"  create: ECDSA-P256\n", 1)
	section := func(name string) *regexp.Regexp {
		return regexp.MustCompile(`(?s)  - name: ` + name + `\n.*?evidence: software\n`)
	}
	// only has one of the authorities' keys exist, and all else made.
	only := func(text string, keep ...string) string {
		for _, name := range []string{"root", "kubernetes", "etcd", "front-proxy"} {
			if !strings.Contains(strings.Join(keep, " "), name) {
				text = section(
					name,
				).ReplaceAllString(text, "  - {name: "+name+", key: {create: ECDSA-P256}, evidence: software}\n")
			}
		}
		return text
	}
	release := regexp.MustCompile(`(?s)release:\n.*?evidence: software\n`)
	fresh := func(text string) string {
		return release.ReplaceAllString(text, "release: {key: {create: ECDSA-P256}, evidence: software}\n")
	}
	port := strings.NewReplacer("name: demo-2", "name: port-1", "cluster:\n", "cluster:\n  name: port\n")
	stranger := historytest.Begin(t, now.AddDate(0, -1, 0), transcript.Open{Cluster: "prod"})
	key := historytest.Key(t)
	stranger.Key("root", historytest.Key(t).Public(), true)
	stranger.Key("release", key.Public(), true)
	prod, _ := stranger.Close(key, nil)
	p.files["previous/prod.jsonl"] = string(prod)
	strangers := fmt.Sprintf("previous:\n  - {cluster: prod, sequence: 1, head: %q, transcript: previous/prod.jsonl}\n\n",
		historytest.Predecessor(t, prod).Head)
	external := section("root").ReplaceAllString(only(fresh(created), "root", "etcd"),
		"  - {name: root, external: true, certificate: previous/demo-1/root.crt}\n")
	for name, tt := range map[string]struct{ text, says string }{
		"the release key":        {only(created), "the key of release exists, so a ceremony had it before"},
		"a root":                 {only(fresh(created), "root"), "the key of root exists, so a ceremony had it before"},
		"an intermediate":        {only(fresh(created), "root", "etcd"), "the keys of root, etcd exist"},
		"a service-account pair": {only(fresh(none)), "no ceremony named here has a service-account pair on record"},
		"another cluster's root": {port.Replace(without(only(fresh(created), "root"))), "the key of root exists"},
		"below an external root": {external, "the key of etcd exists, so a ceremony had it before"},
		"a ceremony of strangers": {strings.Replace(only(fresh(created), "root"), "previous: none\n\n", strangers, 1),
			"ceremony 1 of cluster prod did not open the key of root"},
		"its pair, after strangers": {strings.Replace(only(fresh(none)), "previous: none\n\n", strangers, 1),
			"no ceremony named here has a service-account pair on record"},
	} {
		t.Run(name, func(t *testing.T) { says(t, tt.text, p.files, tt.says) })
	}
}

// says wants a plan refused, and a text among the reasons.
func says(t *testing.T, text string, files map[string]string, want string) {
	t.Helper()
	_, err := opens(text, files)
	if err == nil {
		t.Fatalf("accepted, want %q", want)
	}
	if got := strings.Join(problems(t, err), "\n"); !strings.Contains(got, want) {
		t.Errorf("%s\nwant %q", got, want)
	}
}

// TestOtherVouchers: no certificate that is revoked on whichever list, be it held, or an
// older list, or that of another authority or cluster, nor one that has ended, begins
// later, was another cluster's, or is of a node that has left, vouches for a request.
func TestOtherVouchers(t *testing.T) {
	const hold = 6 // certificateHold, which no plan of ours says
	on := func(p *past, by string, number int64, serial int64, reason int) {
		e := entry(serial, revocation.Superseded)
		e.ReasonCode = reason
		p.list(t, by, number, now.AddDate(0, -3, int(number)), e)
	}
	for name, tt := range map[string]struct {
		spoil func(p *past, mine *held)
		says  string
	}{
		"on hold": {func(p *past, _ *held) { on(p, "kubernetes", 1, 7, hold) },
			"is revoked: "},
		"affiliation": {func(p *past, _ *held) { on(p, "kubernetes", 1, 7, revocation.AffiliationChanged.Code()) },
			"is revoked: affiliationChanged"},
		"on a list before the newest": {func(p *past, _ *held) {
			on(p, "kubernetes", 1, 7, hold)
			on(p, "kubernetes", 2, 99, revocation.Superseded.Code())
		}, "is revoked: "},
		"on another authority's list": {func(p *past, _ *held) { on(p, "etcd", 1, 7, revocation.KeyCompromise.Code()) },
			"is revoked: keyCompromise"},
		"ended": {func(_ *past, mine *held) {
			*mine = *newHeld(t, "system:node:worker-1", now.AddDate(-1, 0, 0), now.Add(-time.Hour))
		}, "but that certificate is valid from"},
		"not yet": {func(_ *past, mine *held) {
			*mine = *newHeld(t, "system:node:worker-1", now.Add(time.Hour), now.AddDate(1, 0, 0))
		}, "but that certificate is valid from"},
		"left":            {func(p *past, _ *held) { p.left = []string{"worker-1"} }, "the node has left the cluster"},
		"another cluster": {func(p *past, _ *held) { p.open.Cluster = "prod" }, "is of cluster prod, not demo"},
	} {
		t.Run(name, func(t *testing.T) {
			p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
			mine := p.leaf(t, "kubernetes", 7, "system:node:worker-1")
			tt.spoil(p, mine)
			p.recorded(issued{"worker-1/kubelet.conf", mine.certificate})
			text := unwritten(p.continued(t, work))
			p.files["requests/worker-1.req"] = string(signedBy(t, work, mine).Raw)
			says(t, text, p.files, tt.says)
		})
	}
}

// TestAbsurdNumbers: what is far from anything there can be is refused where it is read,
// and not where counting on fails: with people in the room, and for ever.
func TestAbsurdNumbers(t *testing.T) {
	t.Run("sequence", func(t *testing.T) {
		for _, n := range []int{plan.MostCeremonies, 2147483646} {
			open := transcript.Open{Sequence: n, Lost: &transcript.Lost{Sequence: n - 1, Reason: "fire"}}
			p := makePast(t, defaultCAs, open, "closed", recipients["cp-1"])
			text := strings.Replace(p.continued(t, cp1), "sequence: 1\n", fmt.Sprintf("sequence: %d\n", n), 1)
			refused(t, text, p.files, fmt.Sprintf("is of ceremony %d, and no cluster has 1000000", n))
		}
	})
	t.Run("list", func(t *testing.T) {
		p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
		p.list(t, "etcd", 1<<62, now.AddDate(0, -1, 0))
		p.write()
		refused(t, p.continued(t, cp1), p.files, "its revocation list of etcd has the number 4611686018427387904")
	})
	t.Run("time of a request", func(t *testing.T) {
		p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
		mine := p.leaf(t, "kubernetes", 7, "system:node:worker-1")
		p.recorded(issued{"worker-1/kubelet.conf", mine.certificate})
		text := unwritten(p.continued(t, work))
		for made, late := range map[time.Time]bool{
			now.Add(time.Hour): false, now.Add(48 * time.Hour): true, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC): true,
		} {
			p.files["requests/worker-1.req"] = string(signedAt(t, made, work, mine).Raw)
			if late {
				says(t, text, p.files, "which is to come: one made for later may be sent by anybody")
			} else if _, err := opens(text, p.files); err != nil {
				t.Errorf("made at %s: %v", made, err)
			}
		}
	})
}
