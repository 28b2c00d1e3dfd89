package preflight

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Level is what becomes of a check that finds something wrong.
type Level string

const (
	Record Level = "record"
	Warn   Level = "warn"
	Refuse Level = "refuse"
)

// Check is one thing that is looked at.
type Check struct {
	Name  string
	Level Level // in a policy that does not name it
	look  func(*Room) (seen, wrong string)
}

// Checks are all there are, in the order they are made and shown.
var Checks = []Check{
	{"network", Refuse, network},
	{"routes", Refuse, routes},
	{"wireless", Refuse, wireless},
	{"bluetooth", Refuse, bluetooth},
	{"clock", Refuse, clock},
	{"swap", Refuse, swap},
	{"core-dumps", Warn, coreDumps},
	{"ptrace", Warn, ptrace},
	{"user", Record, user},
	{"kernel", Record, kernel},
	{"entropy", Warn, entropy},
	{"directory", Warn, directory},
	{"space", Refuse, space},
	{"program", Record, program},
	{"image", Record, image},
	{"airgap", Warn, airgap},
	{"modules", Refuse, modules},
	{"environment", Warn, environment},
	{"libraries", Record, libraries},
	{"tokens", Warn, tokens},
	{"pins", Warn, pins},
	{"mechanisms", Warn, mechanisms},
}

// Names are the checks' names, in their order.
func Names() []string {
	var names []string
	for _, c := range Checks {
		names = append(names, c.Name)
	}
	return names
}

// others is the name in a policy that holds for every check it does not name.
const others = "default"

// Policy gives checks their levels. The nil Policy records everything.
type Policy map[string]Level

// Problem says what is wrong with a policy, and under which name; empty when
// nothing is.
func (p Policy) Problem() (name, reason string) {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if name != others && !slices.Contains(Names(), name) {
			return name, fmt.Sprintf("preflight: there is no check %q; there are %s", name, strings.Join(Names(), ", "))
		}
		if l := p[name]; l != Record && l != Warn && l != Refuse {
			return name, fmt.Sprintf("preflight: level of %s is %q; it is record, warn or refuse", name, l)
		}
	}
	return "", ""
}

// Heeds says whether something wrong with a check, by its name, is more than
// recorded.
func (p Policy) Heeds(name string) bool {
	return slices.ContainsFunc(Checks, func(c Check) bool { return c.Name == name && p.level(c) != Record })
}

func (p Policy) level(c Check) Level {
	if p == nil {
		return Record
	}
	for _, name := range []string{c.Name, others} {
		if l, ok := p[name]; ok {
			return l
		}
	}
	return c.Level
}
