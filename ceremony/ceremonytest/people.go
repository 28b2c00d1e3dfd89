package ceremonytest

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"officiant/bundle/sshsig"
	"officiant/ceremony/approval"
	"officiant/ceremony/schedule"
)

// People are sections of a plan that name people, each as "alice officer". Who
// has no key yet gets one; nothing for nobody.
func (f *Fixture) People(t testing.TB, approvals int, people ...string) string {
	t.Helper()
	if len(people) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "approvals: %d\npeople:\n", approvals)
	for _, p := range people {
		name, role, _ := strings.Cut(p, " ")
		if f.SSH[name] == nil {
			f.NewSSH(t, name)
		}
		fmt.Fprintf(&b, "  - {name: %s, role: %s, key: %q}\n", name, role, sshsig.Line(f.SSH[name].PublicKey()))
	}
	return b.String()
}

// NewSSH gives a person a new key.
func (f *Fixture) NewSSH(t testing.TB, name string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	f.SSH[name], err = ssh.NewSignerFromSigner(key)
	check(t, err)
}

// Approve writes an approval of the plan as it is, by each of these people.
func (f *Fixture) Approve(t testing.TB, people ...string) {
	t.Helper()
	c, err := schedule.Open(f.PlanFile, schedule.Options{Now: time.Now()})
	check(t, err)
	for _, name := range people {
		sig, err := sshsig.Sign(rand.Reader, f.SSH[name], approval.PlanNamespace, approval.PlanMessage(c.Digest))
		check(t, err)
		write(t, filepath.Join(f.Folder, "approvals", name+approval.Suffix), string(sig))
	}
}

// Unapprove removes every approval beside the plan.
func (f *Fixture) Unapprove(t testing.TB) {
	t.Helper()
	check(t, os.RemoveAll(filepath.Join(f.Folder, "approvals")))
}
