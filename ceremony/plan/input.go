package plan

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

const maxPath = 240 // below what a stick with FAT can hold

// reserved are the names a ceremony directory uses itself.
var reserved = []string{
	"plan.yaml", "schedule.txt", "approvals", "transcript.jsonl", "transcript.sig", "witnesses",
	"release.pub", "authorities", "bundles", "report.html", "secrets",
}

// element is one name of a path. It needs no quotes in a shell, and sha256sum
// writes it as it is.
var element = regexp.MustCompile(`^[A-Za-z0-9_@+][A-Za-z0-9._@+=,-]*$`)

// CheckInputPath says why a path cannot be an input's: it has to lie below the
// plan's folder, in plain characters, at no name a ceremony directory uses.
func CheckInputPath(p string) error {
	switch {
	case p == "":
		return errors.New("the path is empty")
	case len(p) > maxPath:
		return fmt.Errorf("the path has more than %d characters", maxPath)
	case strings.HasPrefix(p, "/"):
		return fmt.Errorf("%q is an absolute path; inputs lie below the plan's folder", p)
	case strings.Contains(p, `\`):
		return fmt.Errorf(`%q: write "/" between folders`, p)
	case slices.Contains(strings.Split(p, "/"), ".."):
		return fmt.Errorf(`%q: "..": inputs lie below the plan's folder`, p)
	case path.Clean(p) != p:
		return fmt.Errorf("%q: write %s", p, path.Clean(p))
	}
	for _, e := range strings.Split(p, "/") {
		if !element.MatchString(e) {
			return fmt.Errorf("%q: names are of letters, digits and ._@+=,- and begin with a letter, a digit or _@+", p)
		}
	}
	first, _, _ := strings.Cut(strings.ToLower(p), "/")
	if slices.Contains(reserved, first) {
		return fmt.Errorf("%q: %s belongs to the ceremony directory itself", p, first)
	}
	return nil
}
