package install

import (
	"io/fs"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

const journalKind = "InstallJournal"

// journal is journal.json: what is still to be done once everything is staged.
type journal struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Operation  string    `json:"operation"` // "install" or "rollback"
	Started    time.Time `json:"started"`
	Moves      []move    `json:"moves"`
	Removals   []string  `json:"removals"`
	Renames    []rename  `json:"renames,omitempty"`
}

// move puts a staged file in its place. Paths are below the root.
type move struct {
	Path   string             `json:"path"`
	Staged string             `json:"staged"`
	SHA256 fingerprint.SHA256 `json:"sha256"`
	Mode   string             `json:"mode"`          // octal
	Was    string             `json:"was,omitempty"` // wasAbsent or wasThere; journals of before do not say
}

// What was in a file's place before.
const (
	wasAbsent = "absent"
	wasThere  = "there"
)

// transaction is a set of changes that happen together.
type transaction struct {
	operation string
	write     []placed
	remove    []string
	renames   []rename
}

func difference(now *placed, want placed) What {
	switch {
	case now == nil:
		return Added
	case string(now.data) != string(want.data):
		return Changed
	case now.mode != want.mode:
		return ModeOnly
	}
	return ""
}

// inBounds says whether a path below the root is one this package may write.
func inBounds(path string) bool {
	return fs.ValidPath(path) && (strings.HasPrefix(path, kubernetesDir+"/") ||
		strings.HasPrefix(path, StateDir+"/") || kubepki.MayHold("/"+path))
}
