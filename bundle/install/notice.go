package install

import (
	"slices"
	"strings"

	"officiant/bundle/kubepki"
)

// Notice says what a component needs after files it reads have changed. Paths
// are below /etc/kubernetes; a file stands where the strictest of its uses puts it.
type Notice struct {
	Component string   `json:"component"`
	Restart   []string `json:"restart"` // it has to be restarted for these
	Live      []string `json:"live"`    // it notices these by itself
	PerUse    []string `json:"perUse"`  // it reads these each time
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
		path := strings.TrimPrefix(c.Path, kubernetesDir+"/")
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
		if f.Path != path {
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
