package audit

import (
	"bytes"
	"strings"

	"officiant/bundle/phrase"
)

// directoryAudit proves that nothing is missing, and nothing else there.
type directoryAudit struct {
	*view
	bundles *bundleAudit
}

// directory names what is missing and what does not belong. Whatever made the
// files has told a.expect which there are.
func (a *directoryAudit) directory(c *Check) {
	a.expect(transcriptFile, signatureFile, a.marked(releaseFile))
	a.tree.complete()
	folders := map[string]bool{bundlesFolder: true}
	within := func(name string) {
		for i, r := range name {
			if r == '/' {
				folders[name[:i]] = true
			}
		}
	}
	for name, f := range a.tree.files {
		if f.belongs {
			within(name)
		}
	}
	for _, name := range sortedKeys(a.missing) {
		within(name)
		if a.tree.odd[name] == "" && !a.named(name) {
			c.problem("%s: missing", name)
		}
	}
	for _, name := range a.tree.names() {
		switch f := a.tree.files[name]; {
		case f.belongs, a.within(name):
		case name == a.marked(reportFile):
			a.minutes(c, name)
		case name == lockFile && f.size == 0: // a process works here
		case strings.Contains(name, ".officiant-tmp-"):
			c.problem("%s: left over from an interrupted write", name)
		default:
			c.problem("%s: does not belong to the ceremony", name)
		}
	}
	for _, name := range sortedKeys(a.tree.odd) {
		if !a.within(name) {
			c.problem("%s: %s", name, a.tree.odd[name])
		}
	}
	for _, name := range sortedKeys(a.tree.dirs) {
		if !folders[name] && !a.within(name) {
			c.problem("%s/: a folder that does not belong to the ceremony", name)
		}
	}
	c.Detail = phrase.Count(a.files(), "file")
}

// minutes wants the minutes to name this record's head. That is all: they were
// made of the directory afterwards, and prove nothing.
func (a *directoryAudit) minutes(c *Check, name string) {
	if page, err := a.tree.read(name); err == nil && !bytes.Contains(page, []byte(a.t.Head().String())) {
		c.problem("%s: does not name the head of this record, so it is not of this ceremony", name)
	}
}

// within says whether another check has named what is wrong with a folder.
func (a *directoryAudit) within(name string) bool {
	for _, folder := range a.bundles.open {
		if name == folder || strings.HasPrefix(name, folder+"/") {
			return true
		}
	}
	return false
}

// named says whether another check has said already that a file is missing.
func (a *directoryAudit) named(name string) bool {
	for _, check := range a.report.Checks {
		for _, p := range check.Problems {
			if strings.HasPrefix(p, name+": ") {
				return true
			}
		}
	}
	return false
}
