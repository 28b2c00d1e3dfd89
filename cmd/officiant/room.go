package main

import (
	"context"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"officiant/ceremony/preflight"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/ceremony/transcript"
	"officiant/signer"
	"officiant/signer/pkcs11/module"
)

// look looks at the room: this machine, this program, and the tokens where the
// keys live. keys are their URIs by name. No PIN is asked for.
func (o *options) look(ctx context.Context, program transcript.Program, keys map[string]string, to reach, room preflight.Room, p preflight.Policy) ([]preflight.Result, error) {
	room.Machine = preflight.This(o.Now)
	room.Program = preflight.Program{Version: program.Version, SHA256: program.SHA256.String(), Airgap: airgap, Built: builtAt()}
	var order []string // tokens by the first of their keys
	groups := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		token, err := signer.TokenOf(keys[name])
		if err != nil {
			return nil, err
		}
		if groups[token] == nil {
			order = append(order, token)
		}
		groups[token] = append(groups[token], name)
	}
	for _, token := range order {
		names := groups[token]
		t, m := to.see(ctx, signer.Ref{URI: keys[names[0]], Label: names[0]})
		t.Keys = names
		room.Tokens = append(room.Tokens, t)
		if m != nil {
			room.Modules = addModule(room.Modules, *m)
		}
	}
	return preflight.Look(room, p), nil
}

// lookForRun is what a ceremony looks at its room with: the tokens are those it needs.
func (o *options) lookForRun(program transcript.Program, c *schedule.Ceremony, st *station.Station, to reach,
	dir string, watch preflight.Watch) func(context.Context, time.Time) ([]preflight.Result, error) {
	needed, cluster := c.KeysNeeded(), c.Cluster.Name
	return func(ctx context.Context, former time.Time) ([]preflight.Result, error) {
		keys := map[string]string{}
		for _, name := range needed {
			ref, err := st.Ref(cluster, name)
			if err != nil {
				return nil, err
			}
			keys[name] = ref.URI
		}
		return o.look(ctx, program, keys, to, preflight.Room{Dir: dir, Previous: former, Watch: watch}, st.Preflight)
	}
}

// see looks at one token and the module it is reached by, if there is one.
func (r reach) see(ctx context.Context, ref signer.Ref) (preflight.Token, *preflight.Module) {
	b, err := r.backend(ref)
	if err != nil {
		return preflight.Token{Trouble: err.Error()}, nil
	}
	if b.See == nil {
		return preflight.Token{KMS: true}, nil
	}
	var m preflight.Module
	if m.Path, m.SHA256, err = b.Module(ref); err != nil {
		m.Trouble = err.Error()
		return preflight.Token{Trouble: "its module cannot be read"}, &m
	}
	m.Environment, m.Withheld = r.environmentOf(m.Path)
	seen, err := b.See(ctx, ref)
	if err != nil {
		return preflight.Token{Trouble: err.Error()}, &m
	}
	for _, l := range seen.Libraries {
		m.Libraries = append(m.Libraries, preflight.Library(l))
	}
	if r.tries != nil {
		seen.Device.PINWrong = r.tries.Wrong(seen.Device)
	}
	return preflight.Token{Trouble: seen.Unready, Device: &seen.Device, Algorithms: seen.Algorithms}, &m
}

// environmentOf is what a module gets of this process's environment. Of one that
// gets what its file has the names of, values are not shown: nobody has named them.
func (r reach) environmentOf(path string) (passed, withheld []string) {
	e := module.Variables(path, os.Environ(), r.allow)
	for _, v := range e.Own() {
		if name, _, _ := strings.Cut(v, "="); e.ByFile {
			v = name
		}
		passed = append(passed, v)
	}
	return passed, e.Withheld
}

// addModule names each module once; what it has loaded may have become more.
func addModule(all []preflight.Module, m preflight.Module) []preflight.Module {
	i := slices.IndexFunc(all, func(o preflight.Module) bool {
		return o.Path == m.Path && o.SHA256 == m.SHA256 && o.Trouble == m.Trouble
	})
	if i < 0 {
		return append(all, m)
	}
	for _, l := range m.Libraries {
		if !slices.Contains(all[i].Libraries, l) {
			all[i].Libraries = append(all[i].Libraries, l)
		}
	}
	return all
}

// builtAt is a time that this program is not older than; zero when not known.
func builtAt() time.Time {
	text := built
	if info, ok := debug.ReadBuildInfo(); ok && text == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				text = s.Value
			}
		}
	}
	at, _ := time.Parse(time.RFC3339, text)
	return at
}
