package preflight

import (
	"time"

	"officiant/signer"
)

// Room is what is looked at: the machine, and what the caller knows.
type Room struct {
	Machine
	Dir      string    // ceremony directory, which need not exist yet; "" when not known
	Previous time.Time // end of the previous ceremony; zero when not known
	Watch    Watch
	Program  Program
	Modules  []Module
	Tokens   []Token
}

// Watch is the time that somebody read from a clock of their own, and what this
// machine's said then. Zero: nobody did.
type Watch struct{ Shows, Clock time.Time }

// Program is the running program.
type Program struct {
	Version, SHA256 string
	Airgap          bool      // built without the clouds
	Built           time.Time // not built before; zero when not known
}

// Module is a PKCS#11 module that a station's keys are reached by.
type Module struct {
	Path, SHA256 string
	Trouble      string // why it cannot be read
	// Environment are the variables that it gets, NAME=VALUE, or NAME alone of a
	// module that is not known; Withheld are set, and would have it load code.
	Environment, Withheld []string
	Libraries             []Library // that it has loaded, itself included; nil when not known
}

// Library is a file with code that a module has loaded.
type Library struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256,omitempty"` // empty when it cannot be read
}

// Token is a token or KMS that a station names.
type Token struct {
	Keys       []string       // that live in it, by the station's names
	KMS        bool           // reached over a network, so it is not asked
	Trouble    string         // why it was not found, or cannot be opened
	Device     *signer.Device // nil when it was not found
	Algorithms []signer.Algorithm
}

// Result is what one check saw.
type Result struct {
	Name  string `json:"name"`
	Seen  string `json:"seen"`
	Wrong string `json:"wrong,omitempty"` // empty when it is as it should be
	Level Level  `json:"level"`           // what the policy makes of it when it is wrong
	// Files are the modules that were looked at, what they have loaded, or the image's.
	Files []Library `json:"files,omitempty"`
}

// Refused says that the check found something that the policy does not allow.
func (r Result) Refused() bool { return r.Wrong != "" && r.Level == Refuse }

// Verdict is the result in a word: ok, record, warn or refuse.
func (r Result) Verdict() string {
	if r.Wrong == "" {
		return "ok"
	}
	return string(r.Level)
}

// Look makes every check.
func Look(r Room, p Policy) []Result {
	var all []Result
	for _, c := range Checks {
		seen, wrong := c.look(&r)
		result := Result{Name: c.Name, Seen: seen, Wrong: wrong, Level: p.level(c)}
		switch c.Name {
		case "image":
			result.Files = r.imageFiles()
		case "modules":
			result.Files = r.moduleFiles()
		case "libraries":
			result.Files = r.libraryFiles()
		}
		all = append(all, result)
	}
	return all
}

// Refusals are the names of the checks that are refused.
func Refusals(results []Result) []string {
	var names []string
	for _, r := range results {
		if r.Refused() {
			names = append(names, r.Name)
		}
	}
	return names
}
