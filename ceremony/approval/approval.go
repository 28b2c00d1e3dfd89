package approval

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"officiant/bundle/fingerprint"
	"officiant/bundle/sshsig"
)

// PlanNamespace is what an approval is signed for: no other signature of the
// key can pass for one.
const PlanNamespace = "officiant-plan"

// Suffix of an approval's and a witness's file.
const Suffix = ".sig"

// previously stands before the suffix in the name of an approval by the key
// that somebody had before.
const previously = ".previous"

// PlanMessage is what is signed to approve a plan.
func PlanMessage(digest fingerprint.SHA256) []byte {
	return fmt.Appendf(nil, "officiant plan approval v1\n%s\n", digest)
}

// Group is people who have to approve.
type Group struct {
	Whose  string // "the plan", "ceremony 3"
	People People
	Former bool // of the ceremony that is continued
}

// Approval is a valid one.
type Approval struct {
	File      string // "alice.sig"
	Person    string
	Key       string             // SSH fingerprint
	Signature fingerprint.SHA256 // SHA-256 of the file
}

// Rejected is a file that is no valid approval.
type Rejected struct{ File, Reason string }

func (r Rejected) String() string { return "approvals/" + r.File + ": " + r.Reason }

// Progress says how far a group has approved.
type Progress struct {
	Group
	Approved []string // names, in the group's order
	Missing  []string // those who may approve, and have not
}

// Enough says whether the group's threshold is reached.
func (t Progress) Enough() bool { return len(t.Approved) >= t.People.Threshold }

func (t Progress) String() string {
	s := fmt.Sprintf("%d of the %d approvals that %s asks for", len(t.Approved), t.People.Threshold, t.Whose)
	if len(t.Approved) > 0 {
		s += ", by " + strings.Join(t.Approved, ", ")
	}
	if len(t.Missing) > 0 {
		s += "; not by " + strings.Join(t.Missing, ", ")
	}
	return s
}

// Verdict is what a set of approvals comes to.
type Verdict struct {
	Approvals []Approval // in the order of their files
	Rejected  []Rejected
	Progress  []Progress // one for each group
}

// Enough says whether every group has approved.
func (v *Verdict) Enough() bool {
	return !slices.ContainsFunc(v.Progress, func(t Progress) bool { return !t.Enough() })
}

// AbandonNamespace is what an agreement to abandon a ceremony is signed for.
const AbandonNamespace = "officiant-abandon"

// AbandonMessage is what is signed to abandon a ceremony: the digest is of the
// statement that names it, its head and its keys.
func AbandonMessage(digest fingerprint.SHA256) []byte {
	return fmt.Appendf(nil, "officiant abandonment v1\n%s\n", digest)
}

// Judge reads approvals, by file name, of exactly this digest.
func Judge(digest fingerprint.SHA256, files map[string][]byte, groups ...Group) *Verdict {
	return judge(PlanNamespace, PlanMessage(digest), files, groups)
}

// JudgeAbandonment reads agreements, by file name, to exactly this statement.
func JudgeAbandonment(digest fingerprint.SHA256, files map[string][]byte, groups ...Group) *Verdict {
	return judge(AbandonNamespace, AbandonMessage(digest), files, groups)
}

func judge(namespace string, message []byte, files map[string][]byte, groups []Group) *Verdict {
	v := &Verdict{}
	approved := map[string]bool{} // keys
	for _, file := range slices.Sorted(maps.Keys(files)) {
		key, err := sshsig.Verify(files[file], namespace, message)
		if errors.Is(err, sshsig.ErrOther) {
			err = errors.New("is not an approval of this digest: it is of another, or damaged")
		}
		person := ""
		if err == nil {
			person, err = whose(file, sshsig.Line(key), groups)
		}
		if err == nil && approved[sshsig.Line(key)] {
			err = fmt.Errorf("%s approves a second time", person)
		}
		if err != nil {
			v.Rejected = append(v.Rejected, Rejected{file, err.Error()})
			continue
		}
		approved[sshsig.Line(key)] = true
		v.Approvals = append(v.Approvals, Approval{file, person, ssh.FingerprintSHA256(key), fingerprint.Of(files[file])})
	}
	for _, g := range groups {
		t := Progress{Group: g}
		for _, p := range g.People.Approvers() {
			if approved[p.Key] {
				t.Approved = append(t.Approved, p.Name)
			} else {
				t.Missing = append(t.Missing, p.Name)
			}
		}
		v.Progress = append(v.Progress, t)
	}
	return v
}

// whose says who approves with a key, in a file of the right name.
func whose(file, key string, groups []Group) (string, error) {
	var person *Person
	var names []string
	for _, g := range groups {
		p, ok := g.People.byKey(key)
		if !ok {
			continue
		}
		if !p.Approves() {
			if person == nil {
				person = &p
			}
			continue
		}
		if person == nil || !person.Approves() {
			person = &p
		}
		names = append(names, p.Name+Suffix)
		if g.Former {
			names = append(names, p.Name+previously+Suffix)
		}
	}
	switch {
	case person == nil:
		return "", errors.New("is by a key of nobody who may approve: " + fingerprintOf(key))
	case !person.Approves():
		return "", fmt.Errorf("is by %s, a %s, who does not approve", person.Name, person.Role)
	case !slices.Contains(names, file):
		return "", fmt.Errorf("is %s's approval, and has to be called %s", person.Name, strings.Join(names, " or "))
	}
	return person.Name, nil
}

// fingerprintOf is an SSH key's fingerprint, as ssh-keygen -l shows it.
func fingerprintOf(line string) string {
	key, err := sshsig.ParseKey(line)
	if err != nil {
		return "SHA256:?"
	}
	return ssh.FingerprintSHA256(key)
}

// FileFor is the name of the file for an approval by a key, and whose it is.
func FileFor(key ssh.PublicKey, groups ...Group) (file, person string, err error) {
	line := sshsig.Line(key)
	for _, g := range groups {
		p, ok := g.People.byKey(line)
		if !ok || !p.Approves() {
			continue
		}
		file := p.Name + Suffix
		if g.Former && renewed(p, groups) {
			file = p.Name + previously + Suffix
		}
		return file, p.Name, nil
	}
	_, err = whose("", line, groups)
	return "", "", err
}

// renewed says whether a former person approves with another key now.
func renewed(p Person, groups []Group) bool {
	for _, g := range groups {
		for _, other := range g.People.Approvers() {
			if !g.Former && other.Name == p.Name && other.Key != p.Key {
				return true
			}
		}
	}
	return false
}
