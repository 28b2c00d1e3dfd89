package install

import (
	"fmt"
	"slices"
	"strings"

	"officiant/bundle/kubepki"
)

// Notice says what a component needs after files it reads have changed. Paths
// are below /etc/kubernetes, or absolute. A file is listed under the strictest of its uses.
type Notice struct {
	Component string   `json:"component"`
	Restart   []string `json:"restart"` // it has to be restarted for these
	Live      []string `json:"live"`    // it notices these by itself
	PerUse    []string `json:"perUse"`  // it reads these each time
	// It would notice these by itself, but the manifest it runs by lacks the flags that
	// name them, which stand behind each: it does not read them.
	Unread []string `json:"unread,omitempty"`
}

func (n Notice) String() string {
	var parts []string
	for _, p := range []struct {
		what  string
		files []string
	}{
		{"restart it for ", n.Restart},
		{"reloads by itself ", n.Live},
		{"reads at each use ", n.PerUse},
		{"its manifest does not name, so that it does not read ", n.Unread},
	} {
		if len(p.files) > 0 {
			parts = append(parts, p.what+strings.Join(p.files, ", "))
		}
	}
	return n.Component + ": " + strings.Join(parts, "; ")
}

var strictness = map[kubepki.Reload]int{kubepki.PerUse: 1, kubepki.Live: 2, kubepki.Restart: 3}

// notices says who reads what changed, sorted by component.
func notices(changes []Change, files []kubepki.File) []Notice {
	byName := map[string]*Notice{}
	for _, c := range changes {
		path := shown(c.Path)
		for name, reload := range readers(path, files) {
			if c.What == ModeOnly {
				continue
			}
			n := byName[name]
			if n == nil {
				n = &Notice{Component: name}
				byName[name] = n
			}
			switch reload {
			case kubepki.Restart:
				n.Restart = append(n.Restart, path)
			case kubepki.Live:
				n.Live = append(n.Live, path)
			default:
				n.PerUse = append(n.PerUse, path)
			}
		}
	}
	var list []Notice
	for _, n := range byName {
		list = append(list, *n)
	}
	slices.SortFunc(list, func(a, b Notice) int { return strings.Compare(a.Component, b.Component) })
	return list
}

// readers is which components read a file, with the strictest they ask for.
func readers(path string, files []kubepki.File) map[string]kubepki.Reload {
	all := map[string]kubepki.Reload{}
	for _, f := range files {
		if shown(placeOf(f)) != path {
			continue
		}
		for _, c := range f.Consumers {
			if strictness[c.Reload] > strictness[all[c.Component]] {
				all[c.Component] = c.Reload
			}
		}
	}
	return all
}

// named looks into the manifests that static pods run by. A file that a component would
// notice by itself it does not read where its manifest lacks the flag for it, as with
// the first revocation list.
func (b below) named(list []Notice, files []kubepki.File) error {
	for i := range list {
		n := &list[i]
		if len(n.Live) == 0 {
			continue
		}
		manifest, err := b.readAny(kubernetesDir + "/manifests/" + n.Component + ".yaml")
		if err != nil {
			return err
		}
		if manifest == nil {
			continue // it runs otherwise, or not yet
		}
		var live []string
		for _, path := range n.Live {
			has, lacks := flagsOf(string(manifest), n.Component, path, files)
			if has || len(lacks) == 0 {
				live = append(live, path)
			}
			if len(lacks) > 0 {
				n.Unread = append(n.Unread, fmt.Sprintf("%s (%s)", path, strings.Join(lacks, ", ")))
			}
		}
		n.Live = live
	}
	return nil
}

// flagsOf says whether a manifest names a file by any flag that a component would read it
// by, and by which it does not.
func flagsOf(manifest, component, path string, files []kubepki.File) (has bool, lacks []string) {
	for _, f := range files {
		if shown(placeOf(f)) != path {
			continue
		}
		for _, c := range f.Consumers {
			switch {
			case c.Component != component || !strings.HasPrefix(c.Flag, "--") || slices.Contains(lacks, c.Flag):
			case flagNames(manifest, c.Flag, path):
				has = true
			default:
				lacks = append(lacks, c.Flag)
			}
		}
	}
	return has, lacks
}

// flagNames looks for --flag=PATH. The folder may be another than pki: a link to it.
func flagNames(manifest, flag, path string) bool {
	end := "/" + strings.TrimPrefix(path, "pki/")
	for line := range strings.Lines(manifest) {
		word := strings.Trim(strings.TrimPrefix(strings.TrimSpace(line), "- "), "\"'")
		if value, ok := strings.CutPrefix(word, flag+"="); ok && strings.HasSuffix(value, end) {
			return true
		}
	}
	return false
}
