package preflight

import (
	"slices"
	"strings"

	"officiant/signer"
)

// program is shown, to be compared with what other media say.
func program(r *Room) (seen, wrong string) {
	return r.Program.Version + ", SHA-256 " + r.Program.SHA256, ""
}

// airgap is whether the program has the clouds in it.
func airgap(r *Room) (seen, wrong string) {
	if r.Program.Airgap {
		return "built without the clouds", ""
	}
	return "built with the clouds", "not the airgap build"
}

// modules are shown, to be compared with what other media say.
func modules(r *Room) (seen, wrong string) {
	var all, troubles []string
	for _, m := range r.Modules {
		if m.Trouble != "" {
			troubles = append(troubles, m.Trouble)
		}
	}
	for _, f := range r.moduleFiles() {
		all = append(all, f.Path+" SHA-256 "+f.SHA256)
	}
	return listed(all), strings.Join(troubles, "; ")
}

// moduleFiles are the modules that could be read.
func (r *Room) moduleFiles() (files []Library) {
	for _, m := range r.Modules {
		if m.Trouble == "" {
			files = append(files, Library{m.Path, m.SHA256})
		}
	}
	return files
}

// libraryFiles are what all modules have loaded, each file once.
func (r *Room) libraryFiles() (files []Library) {
	for _, m := range r.Modules {
		for _, l := range m.Libraries {
			if !slices.Contains(files, l) {
				files = append(files, l)
			}
		}
	}
	return files
}

// environment is what each module gets of it, and what is withheld.
func environment(r *Room) (seen, wrong string) {
	var all, withheld []string
	for _, m := range r.Modules {
		if len(m.Environment) > 0 {
			all = append(all, m.Path+": "+strings.Join(m.Environment, ", "))
		}
		for _, name := range m.Withheld {
			if !slices.Contains(withheld, name) {
				withheld = append(withheld, name)
			}
		}
	}
	if len(withheld) > 0 {
		wrong = strings.Join(withheld, ", ") + " would have a module load code or read other files, " +
			"and is withheld from it; find out who set it"
	}
	return several(all), wrong
}

// libraries are what the loader has of each module by then: what it needs, and
// what a configuration has it load.
func libraries(r *Room) (seen, wrong string) {
	var all, unread []string
	for _, l := range r.libraryFiles() {
		if l.SHA256 == "" {
			unread = append(unread, l.Path+" cannot be read")
		} else {
			all = append(all, l.Path+" SHA-256 "+l.SHA256)
		}
	}
	return listed(all), strings.Join(unread, "; ")
}

// tokens are there and ready, or not. Those that are put in by turns are not all there.
func tokens(r *Room) (seen, wrong string) {
	var all, troubles []string
	for _, t := range r.Tokens {
		switch {
		case t.KMS:
			all = append(all, "KMS of "+listed(t.Keys)+", not asked")
		case t.Device != nil:
			all = append(all, t.name())
		}
		if t.Trouble != "" {
			troubles = append(troubles, "token of "+listed(t.Keys)+": "+t.Trouble)
		}
	}
	return several(all), strings.Join(troubles, "; ")
}

// several joins what has commas in it.
func several(all []string) string {
	if len(all) == 0 {
		return listed(nil)
	}
	return strings.Join(all, "; ")
}

func (t Token) name() string {
	return strings.TrimSpace(t.Device.Label + ", serial " + t.Device.Serial + ", " + t.Device.Model)
}

// pins are what tokens tell of their PINs before a login.
func pins(r *Room) (seen, wrong string) {
	var all, troubles []string
	for _, t := range r.Tokens {
		if t.Device == nil {
			continue
		}
		state := "ok"
		for _, flag := range []struct {
			set  bool
			text string
		}{
			{t.Device.PINLocked, "locked"},
			{t.Device.PINFinalTry, "one more wrong PIN locks it"},
			{t.Device.PINCountLow, "a wrong PIN was entered"},
			{t.Device.PINWrong > 0, "a wrong PIN was entered, as this machine remembers"},
		} {
			if flag.set {
				state = flag.text
				troubles = append(troubles, t.Device.Label+": "+state)
				break
			}
		}
		if t.Device.PINPad {
			state += ", typed at its own pad"
		}
		all = append(all, t.Device.Label+": "+state)
	}
	return several(all), strings.Join(troubles, "; ")
}

// mechanisms are the kinds of keys that tokens say they make and sign with.
func mechanisms(r *Room) (seen, wrong string) {
	var all, troubles []string
	for _, t := range r.Tokens {
		if t.Device == nil {
			continue
		}
		all = append(all, t.Device.Label+": "+algorithms(t.Algorithms))
		if len(t.Algorithms) == 0 {
			troubles = append(troubles, t.Device.Label+" makes no kind of key that a plan can ask for")
		}
	}
	return several(all), strings.Join(troubles, "; ")
}

func algorithms(all []signer.Algorithm) string {
	var names []string
	for _, a := range all {
		names = append(names, string(a))
	}
	return listed(names)
}
