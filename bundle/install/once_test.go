package install

import "testing"

// TestOnce: no finding names a file twice, and one about a file that another names is
// that file's.
func TestOnce(t *testing.T) {
	const crt, key = "etc/kubernetes/pki/apiserver.crt", "etc/kubernetes/pki/apiserver.key"
	for _, row := range []struct{ root, problem, file, want string }{
		{"node", "node/" + crt + ": is empty", crt, "is empty"},
		{"/", "/" + crt + ": is empty", crt, "is empty"},
		{"node", "read node/" + crt + ": is a directory", crt, "is a directory"},
		{"node", "read node/" + key + ": is a directory", key, "is a directory"},
		{"node", crt + " is a link to nothing", crt, "is a link to nothing"},
		{"node", "is not there; x: y", crt, "is not there; x: y"},
		{"node", "is DER and not PEM", crt, "is DER and not PEM"},
		{"/", "the key of /etc/kubernetes/pki is wrong: x", crt, "the key of /etc/kubernetes/pki is wrong: x"},
	} {
		r := &standing{credentials: credentials{below{root: row.root}}}
		r.add("/"+crt, "%s", row.problem)
		if f := r.findings[0]; f.File != row.file || f.Problem != row.want {
			t.Errorf("%s: %s: %s", row.problem, f.File, f.Problem)
		}
	}
}
