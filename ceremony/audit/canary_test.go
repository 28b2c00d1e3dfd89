package audit

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// TestTried holds a key against the canaries before it.
func TestTried(t *testing.T) {
	box := transcript.Token{Backend: "pkcs11", Label: "box", Serial: "1"}
	tried := func(change func(*canaryLine, *keyLine)) []string {
		l := &canaryLine{seq: 3, CanaryIntent: transcript.CanaryIntent{Token: box, Algorithm: "ECDSA-P256"}, result: 4,
			trials: []transcript.Trial{{Name: "wrap", Outcome: "CKR_KEY_UNEXTRACTABLE"}}}
		k := keyLine{seq: 6, Key: transcript.Key{Name: "root", Token: box, Algorithm: "ECDSA-P256", Grade: "consistent"}}
		change(l, &k)
		var problems []string
		c := &Check{}
		a := &keyAudit{&view{ledger: &ledger{canaries: []*canaryLine{l}}}}
		a.tried(c, func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }, k, 5)
		return append(problems, c.Unchecked...)
	}
	yubiKey := func(said, grade string) func(*canaryLine, *keyLine) {
		return func(_ *canaryLine, k *keyLine) {
			k.Token.Serial, k.Token.Model, k.Token.Manufacturer = "2", "YubiKey YK5", "Yubico (www.yubico.com)"
			k.Attributes, k.Grade = map[string]string{"attestation.result": said}, grade
		}
	}
	for name, change := range map[string]func(*canaryLine, *keyLine){
		"in a YubiKey":           yubiKey("verified", "attested"),
		"as it is":               func(*canaryLine, *keyLine) {},
		"another module version": func(_ *canaryLine, k *keyLine) { k.Token.ModuleSHA256 = "ab" },
		"in a KMS":               func(_ *canaryLine, k *keyLine) { k.Token = transcript.Token{Backend: "awskms"} },
		"a leak, and said so":    func(l *canaryLine, k *keyLine) { l.trials[0].Leaks, k.Grade = true, "unproven" },
	} {
		if got := tried(change); len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, c := range map[string]struct {
		change func(*canaryLine, *keyLine)
		want   string
	}{
		"in a YubiKey of no known root": {yubiKey("no root", "consistent"), "no root that was known then"},
		"in a YubiKey, not attested":    {yubiKey("", "consistent"), "before a canary of its algorithm"},
		"in another token": {func(_ *canaryLine, k *keyLine) { k.Token.Serial = "2" },
			"before a canary of its algorithm"},
		"of another kind": {func(l *canaryLine, _ *keyLine) { l.Algorithm = "RSA-4096" },
			"before a canary of its algorithm"},
		"without an end": {func(l *canaryLine, _ *keyLine) { l.result = 0 }, "before a canary of its algorithm"},
		"after the key":  {func(l *canaryLine, _ *keyLine) { l.result = 6 }, "before a canary of its algorithm"},
		"a leak looked past": {func(l *canaryLine, _ *keyLine) { l.trials[0].Leaks = true }, "line 4 says that its " +
			"token let a canary out"},
		"a leak, as software": {func(l *canaryLine, k *keyLine) { l.trials[0].Leaks, k.Grade = true, "software" },
			"let a canary out"},
	} {
		if got := tried(c.change); len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestCanaries: each is needed, and has an end and a trial.
func TestCanaries(t *testing.T) {
	look := func(l canaryLine) Check {
		p := &plan.Plan{Authorities: []plan.Authority{{Name: "root", Key: plan.Key{Create: "ECDSA-P384"}}},
			Release: plan.Release{Key: plan.Key{Create: "RSA-3072"}}}
		a := &keyAudit{&view{plan: &schedule.Ceremony{Plan: p}, ledger: &ledger{canaries: []*canaryLine{&l}}}}
		var c Check
		a.canaries(&c)
		return c
	}
	trials := func(leaks string) (all []transcript.Trial) {
		for _, w := range ways {
			all = append(all, transcript.Trial{Name: w.trial + "so", Leaks: w.made == leaks})
		}
		return all
	}
	kept, leaked := trials(""), trials("wrapped")
	of := func(algorithm string) transcript.CanaryIntent {
		return transcript.CanaryIntent{Token: transcript.Token{Label: "box"}, Algorithm: algorithm}
	}
	for _, algorithm := range []string{"ECDSA-P384", "RSA-3072"} {
		if c := look(canaryLine{3, of(algorithm), 4, kept}); len(c.Problems)+len(c.Notes) > 0 {
			t.Errorf("%s: %+v", algorithm, c)
		}
	}
	if c := look(canaryLine{3, of("ECDSA-P384"), 4, leaked}); len(c.Problems) > 0 || len(c.Notes) != 1 {
		t.Errorf("a leak: %+v", c)
	}
	for want, l := range map[string]canaryLine{
		"no line says what became of it": {3, of("ECDSA-P384"), 0, nil},
		"could be read":                  {3, of("ECDSA-P384"), 4, nil},
		"could be wrapped":               {3, of("ECDSA-P384"), 4, slices.Concat(kept[:2], kept[3:])},
		"could be made readable":         {3, of("ECDSA-P384"), 4, kept[:4]},
		"creates no such key":            {3, of("ECDSA-P521"), 4, kept},
	} {
		if c := look(l); len(c.Problems) != 1 || !strings.Contains(c.Problems[0], want) {
			t.Errorf("%s: %+v", want, c)
		}
	}
}
