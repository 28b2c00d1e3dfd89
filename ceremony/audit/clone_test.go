package audit_test

import (
	"bytes"
	"testing"
	"time"

	"officiant/ceremony/audit"
	"officiant/ceremony/transcript"
)

// tokenOf is the token that a key is on record in.
func tokenOf(f *forger, key string) transcript.Token {
	f.t.Helper()
	for _, a := range f.acts {
		if k, ok := a.record.(transcript.Key); ok && k.Name == key {
			return k.Token
		}
	}
	f.t.Fatalf("no key %s", key)
	return transcript.Token{}
}

// asked says that the first challenge on record was to a clone.
func asked(f *forger, spoil func(*transcript.Token)) {
	change(f, func(r *transcript.ChallengeIntent) bool {
		token := tokenOf(f, r.Name)
		spoil(&token)
		r.Clone = &token
		return true
	})
}

// TestClones: a clone's answer says nothing of the key that signs, and a clone
// beside its key or in software is none.
func TestClones(t *testing.T) {
	whole := perform(t)
	other := func(token *transcript.Token) { token.Serial = "another" }
	for what, c := range map[string]struct {
		forge func(*forger)
		says  []string
	}{
		"in the key's own token": {func(f *forger) { asked(f, func(*transcript.Token) {}) },
			[]string{"the clone of the kubernetes key is said to be in the token that holds the key"}},
		"its answer proves no key": {func(f *forger) { asked(f, other) },
			[]string{"the kubernetes key never answered a challenge"}},
		"it lets no key sign": {func(f *forger) { asked(f, other) },
			[]string{"the kubernetes key is to sign cp-1/admin.conf, and has not answered a challenge of this process"}},
		"in software, of a key that was to be in none": {func(f *forger) {
			text := bytes.ReplaceAll(f.read("plan.yaml"), []byte("evidence: software"), []byte("evidence: consistent"))
			f.scene.write(f.t, "plan.yaml", text)
			f.readPlan()
			f.scene.write(f.t, "schedule.txt", f.plan.Schedule)
			change(f, func(r *transcript.Open) bool { r.Digest = f.plan.Digest; return true })
			asked(f, other)
		}, []string{"is in SoftHSM, and the plan asks for evidence \"consistent\""}},
	} {
		t.Run(what, func(t *testing.T) {
			f := whole.forge(t)
			c.forge(f)
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			wantFinding(t, f.auditWith(t, audit.Options{Now: time.Now(), ReleaseKey: f.release.Public()}), c.says...)
		})
	}
}
