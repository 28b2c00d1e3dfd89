package audit

import "testing"

// TestSettle: a bundle is released when nothing remains to be said of its files, and not
// when one of them is another's, is missing, was not searched, or holds a key.
func TestSettle(t *testing.T) {
	const base = "bundles/w"
	for what, tt := range map[string]struct {
		spoil func(*nodeBundle)
		want  int
	}{
		"as it is":       {func(*nodeBundle) {}, 3},
		"not listed":     {func(l *nodeBundle) { l.listing = nil }, 0},
		"a link in it":   {func(l *nodeBundle) { l.listing.odd[base+"/l"] = "is a symbolic link" }, 0},
		"another's file": {func(l *nodeBundle) { l.listing.files[base+"/x"] = &file{} }, 0},
		"another's, searched": {func(l *nodeBundle) {
			l.listing.files[base+"/x"], l.scanned[base+"/x"] = &file{}, nil
		}, 0},
		"a file that is missing":   {func(l *nodeBundle) { delete(l.listing.files, base+"/SHA256SUMS") }, 0},
		"a file without a search":  {func(l *nodeBundle) { delete(l.scanned, base+"/pki/ca.crt") }, 0},
		"the tar without a search": {func(l *nodeBundle) { delete(l.scanned, base+".tar") }, 0},
		"a private key":            {func(l *nodeBundle) { l.scanned[base+".tar"] = []string{"a key"} }, 0},
		"an empty folder":          {func(l *nodeBundle) { l.listing.dirs[base+"/pki/empty"] = true }, 0},
	} {
		l := newListing()
		l.files[base+"/SHA256SUMS"], l.files[base+"/pki/ca.crt"] = &file{}, &file{}
		l.dirs[base], l.dirs[base+"/pki"] = true, true
		b := &nodeBundle{listing: &l, files: []string{base + ".tar", base + "/SHA256SUMS", base + "/pki/ca.crt"},
			scanned: map[string][]string{base + ".tar": nil, base + "/SHA256SUMS": nil, base + "/pki/ca.crt": nil}}
		tt.spoil(b)
		if got := b.settle(base); got != tt.want {
			t.Errorf("%s: %d files are released, not %d", what, got, tt.want)
		}
	}
}
