package ceremony

import "strings"

// named is a file's name in the ceremony directory. What a rehearsal makes to be
// carried away says so: "release.rehearsal.pub".
func (r *run) named(path string) string {
	if r.Rehearsal == nil {
		return path
	}
	for _, kind := range []string{".crt", ".pub", ".tar", ".crl", ".crl.pem"} {
		if base, ok := strings.CutSuffix(path, kind); ok {
			return base + ".rehearsal" + kind
		}
	}
	return path + ".rehearsal"
}
