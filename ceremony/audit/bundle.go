package audit

// nodeBundle is what was found out about one node's bundle.
type nodeBundle struct {
	problems Check
	listing  *listing            // of its folder
	files    []string            // that belong to it
	open     string              // its folder, when what is in it is named among the problems
	scanned  map[string][]string // files that were looked through for private keys, and what is said of each
	settled  int                 // its files, when nothing remains to be said of them
}

// has says whether a file is in the bundle's folder.
func (l *nodeBundle) has(t *tree, name string) bool {
	if l.listing == nil {
		return t.files[name] != nil
	}
	return l.listing.files[name] != nil
}

// settle counts the files of a bundle when each belongs to it and was searched, and none
// holds a private key: then nothing that follows says anything of them. Otherwise it is 0.
func (l *nodeBundle) settle(base string) int {
	if l.listing == nil || len(l.listing.odd) > 0 {
		return 0
	}
	for _, said := range l.scanned {
		if len(said) > 0 {
			return 0
		}
	}
	folders, here := map[string]bool{}, 0
	for _, name := range l.files {
		if _, searched := l.scanned[name]; !searched {
			return 0
		}
		if l.listing.files[name] == nil {
			if name != base+".tar" { // which lies beside the folder
				return 0
			}
			continue
		}
		here++
		for i, r := range name {
			if r == '/' {
				folders[name[:i]] = true
			}
		}
	}
	if here != len(l.listing.files) {
		return 0
	}
	for folder := range l.listing.dirs {
		if !folders[folder] {
			return 0
		}
	}
	return here + 1
}
