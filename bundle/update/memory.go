package update

import (
	"crypto"
	"errors"
	"io/fs"
	"slices"
	"time"

	"officiant/bundle"
	"officiant/bundle/fetch"
	"officiant/bundle/fingerprint"
	"officiant/bundle/statement"
)

const (
	memoryFile = "sync.json"
	memoryKind = "NodeSync"
	apiVersion = "officiant/v1"
	memoryLost = "move it away: sync begins anew; look with status whether what the last install named was restarted"
)

// phase is how far a bundle has come.
type phase string

const (
	phaseInstall phase = "install" // its files come into place
	phaseRestart phase = "restart" // what reads them is restarted and asked
	phaseBack    phase = "back"    // the files of before come back
	phaseSettle  phase = "settle"  // what reads those is restarted and asked
)

// pending is what a run has begun.
type pending struct {
	Bundle   fingerprint.SHA256 `json:"bundle"` // SHA-256 of SHA256SUMS
	Sequence int                `json:"sequence"`
	Phase    phase              `json:"phase"`
	Restart  []string           `json:"restart"`          // services, in their order
	Reason   string             `json:"reason,omitempty"` // why it goes back
}

// failure is a bundle that was rolled back.
type failure struct {
	Bundle   fingerprint.SHA256 `json:"bundle"`
	Sequence int                `json:"sequence"`
	Time     time.Time          `json:"time"`
	Reason   string             `json:"reason"`
}

// memory is sync.json.
type memory struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Source     string            `json:"source"` // the validator is this place's
	Validator  fetch.Validator   `json:"validator"`
	Verified   time.Time         `json:"verified,omitzero"` // the newest bundle was read whole from the place
	Ran        time.Time         `json:"ran,omitzero"`
	Outcome    statement.Outcome `json:"outcome"`
	Pending    *pending          `json:"pending,omitempty"`
	Failed     *failure          `json:"failed,omitempty"`
	Release    []string          `json:"release,omitempty"`
}

func (r *Runner) recall() error {
	r.memory = memory{}
	err := r.node.State().Kept(memoryFile, &r.memory, memoryLost)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r.memory.APIVersion, r.memory.Kind = apiVersion, memoryKind
	if r.memory.Source != r.Place.String() {
		r.memory.Source, r.memory.Validator, r.memory.Verified = r.Place.String(), fetch.Validator{}, time.Time{}
	}
	return nil
}

// keep writes what is to be known by a run that comes after a kill.
func (r *Runner) keep() error {
	if r.DryRun {
		return nil
	}
	return r.node.State().Keep(memoryFile, &r.memory)
}

// learn remembers the release key that the bundle in place announces: the one after it
// may not say it again.
func (r *Runner) learn(b *bundle.Bundle) {
	text := string(b.Files[bundle.NextReleaseFile])
	if text != "" && !slices.Contains(r.memory.Release, text) {
		r.memory.Release = append(r.memory.Release, text)
	}
}

// keys are the release keys that are known; the node's pin says which of them counts.
func (r *Runner) keys() []crypto.PublicKey {
	keys := slices.Clone(r.Release)
	for _, text := range r.memory.Release {
		if key, err := bundle.ParseReleaseKey(memoryFile, []byte(text)); err == nil {
			keys = append(keys, key)
		}
	}
	return keys
}
