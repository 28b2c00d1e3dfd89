package approval

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/sshsig"
)

// The roles. They exclude each other.
const (
	Administrator = "administrator"
	Officer       = "officer"
	Witness       = "witness"
)

var roles = []string{Administrator, Officer, Witness}

// Person is one of a plan's people. Its fields are those of transcript.Person.
type Person struct {
	Name string `yaml:"name" json:"name"`
	Role string `yaml:"role" json:"role"`
	Key  string `yaml:"key" json:"key"` // a line of a .pub file
}

// Approves says whether the person's role may approve.
func (p Person) Approves() bool { return p.Role == Administrator || p.Role == Officer }

// People are those a plan names. The zero value is nobody: nobody has to approve.
type People struct {
	List      []Person
	Threshold int // how many have to approve
}

// Mistake is one thing wrong with people.
type Mistake struct {
	Person  int    // index; -1: not of one person
	Field   string // "name", "role", "key"; empty: not of one field
	Message string
}

// name keeps names usable as file names, and as principals of ssh-keygen.
var name = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// New returns people with keys in their one spelling, or what is wrong with them.
func New(list []Person, threshold int) (People, []Mistake) {
	var wrong []Mistake
	refuse := func(person int, field, format string, args ...any) {
		wrong = append(wrong, Mistake{person, field, fmt.Sprintf(format, args...)})
	}
	out := People{List: slices.Clone(list), Threshold: threshold}
	byName, byKey := map[string]Person{}, map[string]string{}
	approvers := 0
	for i, p := range list {
		before, twice := byName[p.Name]
		switch {
		case !name.MatchString(p.Name):
			refuse(i, "name", "name is %q; it is 1 to 63 lower-case letters, digits and dashes, with a letter or digit at both ends", p.Name)
		case twice && before.Role != p.Role:
			refuse(i, "role", "%s is %s and %s: one person has one role", p.Name, before.Role, p.Role)
		case twice:
			refuse(i, "name", "%s is among the people twice", p.Name)
		}
		byName[p.Name] = p
		if !slices.Contains(roles, p.Role) {
			refuse(i, "role", "role of %s is %q; there are administrator, officer and witness", p.Name, p.Role)
		}
		if p.Approves() {
			approvers++
		}
		key, err := sshsig.ParseKey(p.Key)
		if err != nil {
			refuse(i, "key", "key of %s: %v", p.Name, err)
			continue
		}
		out.List[i].Key = sshsig.Line(key)
		if other, ok := byKey[out.List[i].Key]; ok && other != p.Name {
			refuse(i, "key", "%s has the key of %s: each has their own", p.Name, other)
		}
		byKey[out.List[i].Key] = p.Name
	}
	switch {
	case len(list) == 0 && threshold != 0:
		refuse(-1, "", "approvals asks for %d of nobody: name them under people", threshold)
	case len(list) > 0 && approvers == 0:
		refuse(-1, "", "none of the people may approve: name an administrator or officers")
	case len(list) > 0 && (threshold < 1 || threshold > approvers):
		refuse(-1, "", "approvals is %d; %d may approve, so it is from 1 to %d", threshold, approvers, approvers)
	}
	return out, wrong
}

// Listing is the text that the fingerprint is of.
func (p People) Listing() []byte {
	lines := make([]string, len(p.List))
	for i, one := range p.List {
		lines[i] = fmt.Sprintf("%s %s %s\n", one.Name, one.Role, one.Key)
	}
	slices.Sort(lines)
	return fmt.Appendf(nil, "officiant people v1\nthreshold %d\n%s", p.Threshold, strings.Join(lines, ""))
}

// Fingerprint pins people: who they are, their keys, and how many must approve.
func (p People) Fingerprint() fingerprint.SHA256 { return fingerprint.Of(p.Listing()) }

// Nobody says that the plan names no people.
func (p People) Nobody() bool { return len(p.List) == 0 }

// Approvers are those who may approve.
func (p People) Approvers() []Person { return p.of(Person.Approves) }

// Witnesses are those who may witness.
func (p People) Witnesses() []Person {
	return p.of(func(one Person) bool { return one.Role == Witness })
}

func (p People) of(accept func(Person) bool) []Person {
	var out []Person
	for _, one := range p.List {
		if accept(one) {
			out = append(out, one)
		}
	}
	return out
}

// byKey finds whose key a line of a .pub file is.
func (p People) byKey(line string) (Person, bool) {
	i := slices.IndexFunc(p.List, func(one Person) bool { return one.Key == line })
	if i < 0 {
		return Person{}, false
	}
	return p.List[i], true
}
