package history

import "officiant/bundle/fingerprint"

// Before are the directories of what may come before a ceremony: all earlier ones of
// its cluster, and those of other clusters that these continue, one over the other.
// Nothing is proven of them.
func (a *Archive) Before(dir string) ([]string, error) {
	of, err := glance(dir)
	if err != nil {
		return nil, err
	}
	byHead := map[fingerprint.SHA256]*Found{}
	for _, f := range a.Found {
		byHead[f.Head] = f
	}
	taken := map[fingerprint.SHA256]bool{of.Head: true}
	var dirs []string
	take := func(f *Found) []*Found {
		if f == nil || taken[f.Head] {
			return nil
		}
		taken[f.Head] = true
		dirs = append(dirs, f.Dir)
		return []*Found{f}
	}
	next := []*Found{of}
	for _, f := range a.Found {
		if f.Open.Cluster == of.Open.Cluster && f.Open.Sequence <= of.Open.Sequence && !f.Abandoned {
			next = append(next, take(f)...)
		}
	}
	for len(next) > 0 {
		f := next[0]
		next = next[1:]
		for _, p := range f.Open.Predecessors {
			next = append(next, take(byHead[p.Head])...)
		}
	}
	return dirs, nil
}
